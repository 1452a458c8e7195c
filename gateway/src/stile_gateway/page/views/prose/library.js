// A vendored library that is loaded when it is first needed.

/** How often a library has come. What was rendered before that may look better now. */
export let arrivals = 0;
const listeners = [];

/** Call `listener` after a library has come. */
export function whenLoaded(listener) {
  listeners.push(listener);
}

export class Library {
  #load;
  #content = null;
  #isAsked = false;

  /** @param load returns a promise of the library. */
  constructor(load) {
    this.#load = load;
  }

  /** Return the library, or null if it is not there yet: then it is on its way. */
  get() {
    if (!this.#isAsked) this.#fetch();
    return this.#content;
  }

  async #fetch() {
    this.#isAsked = true;
    try {
      this.#content = await this.#load();
    } catch {
      this.#isAsked = false; // Stile is away: the text stays as it is written, and the next one asks again
      return;
    }
    arrivals += 1;
    for (const listener of listeners) listener();
  }
}

/** The nodes that a library has made of a text. The same text is rendered again and again while an answer grows. */
export class Rendered {
  #most;
  #nodes = new Map();

  /** @param most how many of them are kept. */
  constructor(most) {
    this.#most = most;
  }

  /** Return a copy of the nodes of `text`, made by `make` if they are new. */
  of(text, make) {
    if (!this.#nodes.has(text)) {
      if (this.#nodes.size >= this.#most) this.#nodes.delete(this.#nodes.keys().next().value);
      this.#nodes.set(text, make(text));
    }
    return this.#nodes.get(text)?.cloneNode(true) ?? null;
  }
}
