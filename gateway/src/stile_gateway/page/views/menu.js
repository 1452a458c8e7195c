// On a narrow page the list of conversations is a drawer.

export class Menu {
  #button;
  #drawer;

  constructor(button, drawer) {
    this.#button = button;
    this.#drawer = drawer;
    button.addEventListener("click", () => (this.#isOpen ? this.close() : this.#show(true)));
    document.getElementById("scrim").addEventListener("click", () => this.close());
  }

  get #isOpen() {
    return this.#drawer.classList.contains("shown");
  }

  /** Close it; tell whether it was open. */
  close() {
    const wasOpen = this.#isOpen;
    if (wasOpen) {
      this.#show(false);
      this.#button.focus();
    }
    return wasOpen;
  }

  #show(isOpen) {
    this.#drawer.classList.toggle("shown", isOpen);
    this.#button.setAttribute("aria-expanded", String(isOpen));
    if (isOpen) this.#drawer.querySelector("button").focus();
  }
}
