// Where a question is written, sent, and stopped.

const MOST_LINES_PX = 240;

export class Composer {
  #form;
  #area;
  #send;
  #stop;
  #isOpen = false;

  /** @param actions {ask(question), stop(), editLast()} */
  constructor(form, actions) {
    this.#form = form;
    this.#area = form.querySelector("textarea");
    this.#send = form.querySelector("#send");
    this.#stop = form.querySelector("#stop");
    const submit = () => {
      const question = this.#area.value.trim();
      if (!question || this.#isOpen) return;
      this.#area.value = "";
      this.#fit();
      actions.ask(question);
    };
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      submit();
    });
    this.#stop.addEventListener("click", () => actions.stop());
    this.#area.addEventListener("input", () => this.#fit());
    this.#area.addEventListener("keydown", (event) => {
      if (event.isComposing) return; // the Enter of an input method
      if (event.key === "Enter" && !event.shiftKey && !hasTouchKeyboard()) {
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
