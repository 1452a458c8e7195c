// The text files that go with a question: before it is sent, and in the transcript.
import { button, element } from "../element.js";
import { say } from "../language.js";
import { AttachmentError, byteLength, readAttachment } from "../store/attachment.js";

const UNITS = ["B", "kB", "MB"];
/** Bytes of a request that stay free for the question and for the other fields. */
const LEFT_FREE = 4_096;
/** The limits if the gateway does not say them now: its defaults. */
const DEFAULT_LIMITS = { body_bytes: 1_048_576, question_chars: null };

/** Files that can still be removed. */
export class Attachments {
  #files;
  #changed;
  #list = element("ul");
  #problem = element("p", { role: "alert" });

  /** @param changed called after each change. */
  constructor(files, changed) {
    this.#files = files;
    this.#changed = changed;
    this.root = element("div", { class: "attachments" }, this.#list, this.#problem);
    this.#draw();
  }

  get files() {
    return this.#files;
  }

  set files(files) {
    this.#files = files;
    this.#problem.textContent = "";
    this.#draw();
    this.#changed();
  }

  /**
   * Read files and add them; a file that cannot be attached is named, with the reason.
   * @param limits returns what the gateway takes: {body_bytes, question_chars}.
   */
  async add(files, limits) {
    const given = await limits().catch(() => DEFAULT_LIMITS);
    const problems = [];
    for (const file of files) {
      try {
        const attachment = await readAttachment(file, given.body_bytes);
        const room = this.#room(given);
        if (!fits(attachment, room)) throw tooLarge(file, attachment, room);
        this.#files = [...this.#files, attachment];
      } catch (error) {
        if (!(error instanceof AttachmentError)) throw error;
        problems.push(problemText(error));
      }
    }
    this.#problem.textContent = problems.join(" ");
    this.#draw();
    this.#changed();
  }

  #room({ body_bytes: bytes, question_chars: chars }) {
    const texts = this.#files.map(({ text }) => text);
    return {
      bytes: Math.max(0, texts.reduce((left, text) => left - sentBytes(text), bytes - LEFT_FREE)),
      chars: texts.reduce((left, text) => left - text.length, chars ?? Infinity),
    };
  }

  #draw() {
    this.#list.replaceChildren(...this.#files.map((file) => this.#item(file)));
    this.#list.hidden = this.#files.length === 0;
    this.#problem.hidden = !this.#problem.textContent;
    this.root.hidden = this.#list.hidden && this.#problem.hidden;
  }

  #item(file) {
    const remove = () => {
      this.files = this.#files.filter((other) => other !== file);
    };
    return element("li", {}, ...label(file), button(say("attach.remove", { name: file.name }), "close", { class: "quiet", click: remove }));
  }
}

/** Make a file of the transcript: its text is folded away. */
export function folded(file) {
  const text = element("pre", { tabindex: "0", dir: "auto" }, file.text);
  return element("details", { class: "file" }, element("summary", {}, ...label(file)), text);
}

function label({ name, text }) {
  return [
    element("span", { class: "name", dir: "auto" }, name),
    element("span", { class: "size" }, sizeText(byteLength(text))),
  ];
}

function fits({ text }, { bytes, chars }) {
  return sentBytes(text) <= bytes && text.length <= chars;
}

function tooLarge({ size }, { name }, { bytes, chars }) {
  return new AttachmentError("large", { name, size, most: Math.max(0, Math.min(bytes, chars)) });
}

/** A line end and a quotation mark are two bytes each in a request. */
function sentBytes(text) {
  return byteLength(JSON.stringify(text));
}

function problemText({ reason, name, size, most }) {
  return say(`attach.${reason}`, { name, size: sizeText(size), most: sizeText(most) });
}

/** "1.4 kB" */
function sizeText(bytes) {
  const power = Math.min(UNITS.length - 1, Math.floor(Math.log10(Math.max(1, bytes)) / 3));
  return say("size", { number: bytes / 1000 ** power, unit: UNITS[power] });
}
