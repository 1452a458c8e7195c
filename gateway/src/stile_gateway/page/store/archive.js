// All conversations as a file.

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

function conversationText({ title, created, exchanges }) {
  const parts = exchanges.map(({ question, answer }) => `**You**\n\n${question}\n\n${answerText(answer)}`);
  return [`# ${title}`, created, ...parts].join("\n\n");
}

function answerText({ state, text, model, error }) {
  const name = model ?? "The model";
  if (state === "refused") return `**Refused**\n\n${text}`;
  if (state === "failed") return `**No answer**\n\n${error?.message ?? ""}`;
  return state === "done" ? `**${name}**\n\n${text}` : `**${name}** (not finished)\n\n${text}`;
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
