// The gateway over HTTP (docs/api.md). Every address is relative, so that a proxy may put Stile under a path.
import { events } from "./events.js";
import { CONNECTION_LOST, Failure, HTTP_STATUS, NO_KEY, UNREACHABLE, WRONG_KEY } from "./failure.js";

/** Asks the gateway. */
export class Gateway {
  #key;
  #told;

  /**
   * @param key returns the API key, or null.
   * @param told called with what is left of the key's minute after each answer: {most, left}, or null for no limit.
   */
  constructor(key, told) {
    this.#key = key;
    this.#told = told;
  }

  /**
   * Ask, and yield the events up to `done`, each as {name, said, last}: `last` is the event's id.
   *
   * `fields` are further fields of the request. Stile answers it to its end even if this page is closed. The same
   * request under the same `key` joins it.
   * @throws {Failure} there is no answer.
   */
  async *ask({ prompt, messages, fields, key, signal }) {
    const headers = { "Content-Type": "application/json", "Idempotency-Key": key, Prefer: "respond-async" };
    headers["Stile-Trim"] = "oldest";
    const body = JSON.stringify({ ...fields, prompt, messages, stream: true });
    yield* this.#events("chat", { method: "POST", headers, body, signal });
  }

  /**
   * Yield the events of a request that was sent before: after `last`, or all.
   * @throws {Failure} there is no answer.
   */
  async *follow({ id, last, signal }) {
    const headers = last ? { "Last-Event-ID": last } : {};
    yield* this.#events(`chat/${id}`, { headers, signal });
  }

  async *#events(address, { headers, signal, ...options }) {
    const accept = { Accept: "text/event-stream" };
    const answer = await this.#fetch(address, { ...options, headers: { ...headers, ...accept }, signal });
    try {
      for await (const { name, data, id } of events(answer.body)) {
        const said = JSON.parse(data);
        if (name === "error") throw new Failure(said.error);
        yield { name, said, last: id };
        if (name === "done") return;
      }
    } catch (error) {
      throw error instanceof Failure || signal.aborted ? error : new Failure({ code: CONNECTION_LOST });
    }
    throw new Failure({ code: CONNECTION_LOST });
  }

  /** Cancel a request of one's own; it goes out even where the page is being left. */
  async cancel(id) {
    await this.#fetch(`chat/${id}`, { method: "DELETE", keepalive: true });
  }

  /** Return the models that there are: {name, context}. `context` is in tokens; undefined is not known. */
  async models() {
    const answer = await this.#fetch("v1/models");
    return (await answer.json()).data.map(({ id, meta }) => ({ name: id, context: meta?.n_ctx }));
  }

  /** Return what a request may have: {body_bytes, question_chars}; null is no limit. */
  async limits() {
    return await (await this.#fetch("page/limits.json")).json();
  }

  /** Return what `GET /readyz` says: {ready, parts}. It is a 503 where it is not ready. */
  async readiness() {
    try {
      return await (await fetch("readyz", { cache: "no-store" })).json();
    } catch {
      throw new Failure({ code: UNREACHABLE });
    }
  }

  async #fetch(address, options = {}) {
    const key = this.#key();
    const headers = { ...options.headers, ...(key ? { Authorization: `Bearer ${key}` } : {}) };
    let answer;
    try {
      answer = await fetch(address, { ...options, headers, cache: "no-store" });
    } catch (error) {
      throw options.signal?.aborted ? error : new Failure({ code: UNREACHABLE });
    }
    const count = (what) => answer.headers.get(`x-ratelimit-${what}-requests`);
    this.#told(count("limit") && { most: Number(count("limit")), left: Number(count("remaining")) });
    if (answer.ok) return answer;
    const told = await answer.json().catch(() => null);
    if (answer.status === 401) throw new Failure({ code: key ? WRONG_KEY : NO_KEY, final: true });
    if (told?.error?.code) throw new Failure(told.error);
    if (answer.status >= 502) throw new Failure({ code: UNREACHABLE }); // from a proxy that does not reach the gateway
    throw new Failure({ code: HTTP_STATUS, message: String(answer.status), final: true });
  }
}
