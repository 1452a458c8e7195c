// What can go wrong between this page and the gateway.

/** The gateway was not reached, or what answered in its place was no gateway. */
export const UNREACHABLE = "unreachable";
/** There is no key, or a wrong one. */
export const KEY_NEEDED = "invalid_api_key";
/** The stream of an answer ended before its last event. */
export const CONNECTION_LOST = "connection_lost";

/** An error that the gateway sent (its `code` as in docs/api.md), or one of those above. */
export class Failure extends Error {
  constructor({ code, message, final = false, retry_after: retryAfter = null, ...details }) {
    super(message);
    this.code = code;
    this.details = details;
    this.final = final;
    this.retryAfter = retryAfter;
  }
}

/** Stile asks for a key. `sent` is the key that it does not know, or null if none was sent. */
export function keyNeeded(sent) {
  const message = sent ? "This key is not known here." : "You need a key to ask here.";
  return new Failure({ code: KEY_NEEDED, message, final: true });
}

export function unreachable() {
  return new Failure({ code: UNREACHABLE, message: "Stile does not answer." });
}

export function connectionLost() {
  return new Failure({ code: CONNECTION_LOST, message: "The connection was lost before the answer was whole." });
}
