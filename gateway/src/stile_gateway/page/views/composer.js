// Where a question is written, sent, and stopped, and where files are attached to it.
import { Attachments } from "./attachments.js";
import { isOfInputMethod } from "../element.js";
import { say } from "../language.js";

const MOST_LINES_PX = 240;

export class Composer {
  #form;
  #area;
  #send;
  #stop;
  #attachments;
  #isOpen = false;
  #entersSend = true;

  /**
   * @param actions {ask(question, files), stop(), editLast(), draft({text, files}), limits()}; `draft` is called at
   *   each change.
   * @param draft {text, files} that were not sent before.
   */
  constructor(form, actions, draft) {
    this.#form = form;
    this.#area = form.querySelector("textarea");
    this.#area.value = draft.text;
    const keep = () => {
      actions.draft({ text: this.#area.value, files: this.#attachments.files });
      this.#fit();
    };
    this.#attachments = new Attachments(draft.files, keep);
    form.prepend(this.#attachments.root);
    this.#send = form.querySelector("#send");
    this.#stop = form.querySelector("#stop");
    const submit = () => {
      const question = this.#area.value.trim();
      const { files } = this.#attachments;
      if (this.#isEmpty || this.#isOpen) return;
      this.#area.value = "";
      this.#attachments.files = [];
      actions.ask(question, files);
    };
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      submit();
    });
    this.#stop.addEventListener("click", () => actions.stop());
    this.#area.addEventListener("input", keep);
    takeFiles(form, async (files) => {
      await this.#attachments.add(files, actions.limits);
      this.focus();
    });
    this.#area.addEventListener("keydown", (event) => {
      if (isOfInputMethod(event)) return;
      if (event.key === "Enter" && this.#sends(event)) {
        event.preventDefault();
        submit();
      } else if (event.key === "ArrowUp" && this.#area.value === "" && !this.#isOpen) {
        event.preventDefault();
        actions.editLast();
      }
    });
    this.#fit();
  }

  /** Offer to stop while something is answered, to send otherwise. */
  show(isOpen) {
    const hadFocus = this.#form.contains(document.activeElement);
    this.#isOpen = isOpen;
    this.#stop.hidden = !isOpen;
    this.#send.hidden = isOpen;
    this.#fit();
    if (hadFocus && !this.#form.contains(document.activeElement)) this.focus();
  }

  /** Whether Enter sends; if not, Ctrl+Enter does. */
  set entersSend(entersSend) {
    this.#entersSend = entersSend;
    const send = say(entersSend ? "keys.enter" : "keys.ctrl-enter");
    const line = say(entersSend ? "keys.shift-enter" : "keys.enter");
    this.#form.querySelector(".hint").textContent = say("hint", { send, line });
    this.#send.title = say("send.title", { key: send });
  }

  /** Show how many questions are left of a minute: {most, left}, or null for any number. */
  showLimit(limit) {
    const place = this.#form.querySelector(".left");
    place.hidden = !limit;
    if (limit) place.textContent = say("limit", limit);
  }

  #sends({ shiftKey, ctrlKey, metaKey }) {
    if (ctrlKey || metaKey) return true;
    return this.#entersSend && !shiftKey && !hasTouchKeyboard();
  }

  focus() {
    this.#area.focus();
  }

  get #isEmpty() {
    return this.#area.value.trim() === "" && this.#attachments.files.length === 0;
  }

  #fit() {
    this.#send.disabled = this.#isEmpty;
    this.#area.style.height = "auto";
    this.#area.style.height = `${Math.min(this.#area.scrollHeight, MOST_LINES_PX)}px`;
  }
}

/** Call `take` with the files that are chosen, dropped on the page, or pasted into the form. */
function takeFiles(form, take) {
  const input = form.querySelector("input[type=file]");
  form.querySelector("#attach").addEventListener("click", () => input.click());
  input.addEventListener("change", async () => {
    await take([...input.files]);
    input.value = ""; // the same file can be chosen again
  });
  form.addEventListener("paste", (event) => {
    const { files, types } = event.clipboardData;
    // Office programs add a picture of what is copied: then the text is meant.
    if (files.length === 0 || types.includes("text/html")) return;
    event.preventDefault();
    take([...files]);
  });
  const hasFiles = (event) => event.dataTransfer?.types.includes("Files");
  for (const type of ["dragover", "dragleave", "drop"]) {
    document.addEventListener(type, (event) => {
      if (!hasFiles(event)) return;
      event.preventDefault(); // the browser would open the file in place of the page
      form.classList.toggle("dropping", type === "dragover");
      if (type === "drop" && !document.querySelector("dialog[open]")) take([...event.dataTransfer.files]);
    });
  }
}

/** On a phone's keyboard Enter makes a new line; the button sends. */
function hasTouchKeyboard() {
  return matchMedia("(pointer: coarse) and (hover: none)").matches;
}
