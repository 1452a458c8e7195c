// All conversations as a file, and back.
import { questionText } from "./attachment.js";
import { say } from "../language.js";
import { newId } from "./conversation.js";
import { errorText } from "../words.js";

/** Return them as JSON: the data as it is kept (conversation.js). */
export function asJson(conversations) {
  const archive = { stile: 1, exported: new Date().toISOString(), conversations };
  return new File([JSON.stringify(archive, null, 2)], fileName("json"), { type: "application/json" });
}

/** Return them as one Markdown text, for people. */
export function asMarkdown(conversations) {
  const text = conversations.map(conversationText).join("\n\n---\n\n");
  return new File([`${text}\n`], fileName("md"), { type: "text/markdown" });
}

/** The chosen file was not exported by the page; `code` is `not_json` or `not_stile`. */
export class NotAnArchiveError extends Error {
  constructor(code) {
    super(code);
    this.code = code;
  }
}

/**
 * Return the conversations of a file that `asJson` has made, each under a new id: nothing is overwritten.
 * @throws {NotAnArchiveError}
 */
export function fromJson(text) {
  let archive;
  try {
    archive = JSON.parse(text);
  } catch {
    throw new NotAnArchiveError("not_json");
  }
  const all = archive?.stile === 1 && Array.isArray(archive.conversations) ? archive.conversations : null;
  if (!all?.every(isConversation)) throw new NotAnArchiveError("not_stile");
  return all.map((conversation) => ({ ...conversation, id: newId() }));
}

function isConversation(conversation) {
  const { version, title, updated, exchanges } = conversation ?? {};
  const isText = typeof title === "string" && typeof updated === "string";
  return version === 1 && isText && Array.isArray(exchanges) && exchanges.every(isExchange);
}

function isExchange(exchange) {
  const { id, question, files = [], answer } = exchange ?? {};
  const texts = Array.isArray(files) ? files.flatMap((file) => [file?.name, file?.text]) : [null];
  return [id, question, answer?.text, answer?.state, ...texts].every((part) => typeof part === "string");
}

/** Let the user choose a file; resolves to its text, or to null. */
export function upload() {
  const input = document.createElement("input");
  input.type = "file";
  input.accept = "application/json,.json";
  return new Promise((resolve) => {
    input.addEventListener("change", async () => resolve(input.files[0] ? await input.files[0].text() : null));
    input.addEventListener("cancel", () => resolve(null));
    input.click();
  });
}

/** Return one conversation as Markdown, for people. */
export function conversationText({ title, created, exchanges }) {
  const parts = exchanges.map(
    (exchange) => `${bold(say("you"))}\n\n${questionText(exchange)}\n\n${answerText(exchange.answer)}`,
  );
  return [`# ${title}`, created, ...parts].join("\n\n");
}

function answerText({ state, text, model, error }) {
  const name = model ?? say("archive.model");
  if (state === "refused") return `${bold(say("refused"))}\n\n${text}`;
  if (state === "failed") return `${bold(say("failed"))}\n\n${errorText(error ?? {})}`;
  return `${bold(state === "done" ? name : say("archive.unfinished", { name }))}\n\n${text}`;
}

function bold(text) {
  return `**${text}**`;
}

function fileName(suffix) {
  return `stile-${new Date().toISOString().slice(0, 10)}.${suffix}`;
}

/** Have the browser save a file. */
export function download(file) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(file);
  link.download = file.name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000); // not while it is being read
}
