// Whether a chat would be answered now, and what is missing where it would not.

const EVERY_MS = 15_000;
const EVERY_MS_NOT_READY = 1_500;
/** What was seen so recently is still true. */
const FRESH_MS = 1_500;

/** Looks at `GET /readyz` for as long as the page is seen, and more often while something is missing. */
export class Health {
  #gateway;
  #changed;
  #timer = null;
  #waiting = [];
  #looked = 0;

  /**
   * What is missing: [{part, isAbsent, reason}], empty if all is there; null before the first look. `part` is as in
   * `GET /readyz`, `reason` the server's or undefined, `isAbsent` whether there is none at all.
   */
  missing = null;
  /** Since when it is missing, or null. */
  since = null;

  /** @param changed called after each look. */
  constructor(gateway, changed) {
    this.#gateway = gateway;
    this.#changed = changed;
    document.addEventListener("visibilitychange", () => this.check());
    addEventListener("online", () => this.check());
  }

  /** Look if the last look is a while ago: the user is about to ask. */
  glance() {
    if (performance.now() - this.#looked > FRESH_MS) this.check();
  }

  /** Look now, and go on looking. */
  async check() {
    clearTimeout(this.#timer);
    this.#looked = performance.now();
    this.missing = await this.#look();
    const isReady = this.missing.length === 0;
    this.since = isReady ? null : (this.since ?? Date.now());
    if (isReady) for (const goOn of this.#waiting.splice(0)) goOn();
    this.#changed();
    clearTimeout(this.#timer); // another look may have ended meanwhile
    if (document.hidden && !this.#waiting.length) return;
    this.#timer = setTimeout(() => this.check(), isReady ? EVERY_MS : EVERY_MS_NOT_READY);
  }

  /** Wait until a look finds everything there. */
  async ready() {
    const ready = new Promise((goOn) => this.#waiting.push(goOn));
    this.check();
    await ready;
  }

  async #look() {
    let readiness;
    try {
      readiness = await this.#gateway.readiness();
    } catch {
      return [{ part: "gateway", isAbsent: true }];
    }
    const parts = Object.entries(readiness.parts).filter(([, part]) => !part.ready);
    // What is behind a bus that is down cannot be known.
    const known = parts.some(([name]) => name === "bus") ? parts.filter(([name]) => name === "bus") : parts;
    return known.map(([part, { reason, instances }]) => ({ part, isAbsent: instances === 0, reason: reason ?? "" }));
  }
}
