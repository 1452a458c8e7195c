// What can go wrong between this page and the gateway.

/** The gateway was not reached, or what answered in its place was no gateway. */
export const UNREACHABLE = "unreachable";
/** The stream of an answer ended before its last event. */
export const CONNECTION_LOST = "connection_lost";

/** An error that the gateway told (its `code` as in docs/api.md), or one of the two above. */
export class Failure extends Error {
  constructor({ code, message, final = false, retry_after: retryAfter = null }) {
    super(message);
    this.code = code;
    this.final = final;
    this.retryAfter = retryAfter;
  }
}

export function unreachable() {
  return new Failure({ code: UNREACHABLE, message: "Stile does not answer." });
}

export function connectionLost() {
  return new Failure({ code: CONNECTION_LOST, message: "The connection was lost before the answer was whole." });
}
