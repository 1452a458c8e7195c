// The API key of the one who uses the page: it comes from a link or from a box.
import { say } from "./language.js";
import { askForKey } from "./views/dialogs.js";
import { errorText } from "./words.js";

export class Key {
  #store;
  #on;
  #refused; // undefined until one is refused; null is "no key"
  #box = null;

  /**
   * @param store keeps the key.
   * @param on what happens: keep(key) stores one, entered() comes after one was entered.
   */
  constructor(store, on) {
    this.#store = store;
    this.#on = on;
  }

  /** Take the key of a link that ends in `#key=sk-…`: a fragment is not sent to any server. */
  takeFromLink() {
    const key = new URLSearchParams(location.hash.slice(1)).get("key");
    if (!key) return;
    this.#on.keep(key.trim());
    history.replaceState(null, "", location.pathname + location.search); // not in the history, or on a screenshot
  }

  /** Ask for a key; return whether there is one now. */
  async need(reason) {
    // One box, however many ask for it.
    this.#box ??= askForKey({ key: this.#store.key, reason }).finally(() => (this.#box = null));
    const key = await this.#box;
    if (key === null) return false;
    this.#on.keep(key);
    this.#on.entered();
    return key !== "";
  }

  /** Ask for a key, because the gateway wants one. */
  needAfter(error) {
    return this.need(say("key.asked", { reason: errorText(error) }));
  }

  /** Ask for a key once for each that the gateway refuses: a user who closes the box only wants to read. */
  refused(error) {
    if (this.#refused === this.#store.key) return;
    this.#refused = this.#store.key;
    if (!document.querySelector("dialog[open]")) this.needAfter(error);
  }
}
