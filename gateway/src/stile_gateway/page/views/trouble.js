// What keeps Stile from answering, said where it is seen.
import { element } from "../element.js";
import { say } from "../language.js";
import { durationText, missingText } from "../words.js";

export class Trouble {
  #root;
  #list = element("ul");
  #since = element("p", { class: "since", "aria-live": "off" });
  #missing;
  #warning = element("p");
  #said = "";

  /** @param root a live region. */
  constructor(root) {
    this.#root = root;
    this.#missing = element(
      "div",
      { hidden: true },
      element("strong", {}, say("missing")),
      this.#list,
      this.#since,
    );
    root.append(this.#missing, this.#warning);
    this.warn("");
  }

  /** Show what is missing, and since when; nothing where nothing is. */
  show(missing, since) {
    this.#missing.hidden = missing.length === 0;
    const said = JSON.stringify(missing);
    if (said !== this.#said) {
      // Not each time: a live region is read aloud at each change.
      this.#list.replaceChildren(...missing.map((part) => element("li", {}, missingText(part))));
      this.#said = said;
    }
    const seconds = since === null ? 0 : Math.round((Date.now() - since) / 1000);
    // A question is taken even if there is no model; without the others there is nobody to take it.
    const isTaken = missing.every(({ part }) => part === "consumer");
    const duration = durationText(seconds);
    this.#since.textContent = say(isTaken ? "missing.queued" : "missing.kept", { duration });
    this.#toggle();
  }

  /** Show a warning, until it is empty. */
  warn(text) {
    this.#warning.textContent = text;
    this.#warning.hidden = !text;
    this.#toggle();
  }

  #toggle() {
    this.#root.hidden = this.#missing.hidden && this.#warning.hidden;
  }
}
