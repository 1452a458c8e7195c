// What can go wrong between this page and the gateway. What the user reads of it is in words.js, by the code.

/** The gateway was not reached, or what answered in its place was no gateway. */
export const UNREACHABLE = "unreachable";
/** Stile does not know the key that was sent. */
export const WRONG_KEY = "invalid_api_key";
/** Stile asks for a key, and none was sent. */
export const NO_KEY = "no_api_key";
/** The stream of an answer ended before its last event. */
export const CONNECTION_LOST = "connection_lost";
/** Stile no longer has the answer. */
export const FORGOTTEN = "forgotten";
/** The question was kept back for so long that it is not sent any more. */
export const NOT_SENT = "not_sent";
/** An HTTP error without a code of Stile; the message is its status. */
export const HTTP_STATUS = "http_status";

/** An error that the gateway sent (its `code` as in docs/api.md), or one of those above. */
export class Failure extends Error {
  constructor({ code, message = code, final = false, retry_after: retryAfter = null, ...details }) {
    super(message);
    this.code = code;
    this.details = details;
    this.final = final;
    this.retryAfter = retryAfter;
  }

  /** Whether another key, or a first one, would help. */
  get needsKey() {
    return [WRONG_KEY, NO_KEY].includes(this.code);
  }
}
