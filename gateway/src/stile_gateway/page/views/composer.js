// Where a question is written, sent, and stopped.

import { isOfInputMethod } from "../element.js";
import { say } from "../language.js";

const MOST_LINES_PX = 240;

export class Composer {
  #form;
  #area;
  #send;
  #stop;
  #isOpen = false;
  #entersSend = true;

  /**
   * @param actions {ask(question), stop(), editLast(), draft(text)}; `draft` is called at each change.
   * @param draft what was written and not sent before.
   */
  constructor(form, actions, draft) {
    this.#form = form;
    this.#area = form.querySelector("textarea");
    this.#area.value = draft;
    this.#send = form.querySelector("#send");
    this.#stop = form.querySelector("#stop");
    const submit = () => {
      const question = this.#area.value.trim();
      if (!question || this.#isOpen) return;
      this.#area.value = "";
      actions.draft("");
      this.#fit();
      actions.ask(question);
    };
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      submit();
    });
    this.#stop.addEventListener("click", () => actions.stop());
    this.#area.addEventListener("input", () => {
      actions.draft(this.#area.value);
      this.#fit();
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

  #sends({ shiftKey, ctrlKey, metaKey }) {
    if (ctrlKey || metaKey) return true;
    return this.#entersSend && !shiftKey && !hasTouchKeyboard();
  }

  focus() {
    this.#area.focus();
  }

  #fit() {
    this.#send.disabled = this.#area.value.trim() === "";
    this.#area.style.height = "auto";
    this.#area.style.height = `${Math.min(this.#area.scrollHeight, MOST_LINES_PX)}px`;
  }
}

/** On a phone's keyboard Enter makes a new line; the button sends. */
function hasTouchKeyboard() {
  return matchMedia("(pointer: coarse) and (hover: none)").matches;
}
