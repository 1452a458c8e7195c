// What can be done with the conversation that is shown: behind one button, so that a phone has room for it.
import { say } from "../language.js";

const COPIED_MS = 2_000;

export class Actions {
  #menu = document.getElementById("actions");
  #opener = document.getElementById("more");
  #pin = document.getElementById("pin");

  /** @param actions {pin(), copy(): resolves to whether it was copied, print()} */
  constructor({ pin, copy, print }) {
    const copying = document.getElementById("copy-conversation");
    this.#pin.addEventListener("click", () => {
      this.#menu.hidePopover();
      pin();
    });
    copying.addEventListener("click", async () => {
      if (!(await copy())) return;
      copying.classList.add("copied");
      setTimeout(() => copying.classList.remove("copied"), COPIED_MS);
    });
    document.getElementById("print").addEventListener("click", () => {
      this.#menu.hidePopover();
      print();
    });
  }

  /** Offer what can be done with a conversation; nothing if it is empty. */
  show({ exchanges, pinned }) {
    this.#opener.hidden = exchanges.length === 0;
    this.#pin.querySelector("span").textContent = say(pinned ? "unpin" : "pin");
  }
}
