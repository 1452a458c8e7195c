//! Header names of Stile's NATS messages, as in `contracts/src/stile_contracts/headers.py`. Values
//! are ASCII.

/// The request's id, a UUID.
pub const CHAT_ID: &str = "Chat-Id";
/// The client.
pub const CHAT_CLIENT: &str = "Chat-Client";
/// When the answer is of no use any more: milliseconds since the Unix epoch, UTC.
pub const CHAT_DEADLINE: &str = "Chat-Deadline";
/// Where the answer goes.
pub const CHAT_REPLY_TO: &str = "Chat-Reply-To";
/// Which events the requester wants: `accepted` (and nothing after it), `none`, `state` or `token`.
pub const CHAT_EVENTS: &str = "Chat-Events";
/// Which event a reply message is.
pub const CHAT_EVENT: &str = "Chat-Event";
/// Which delivery of the request the event is of, from 1. A higher one resets the lower.
pub const CHAT_ATTEMPT: &str = "Chat-Attempt";
/// The number of an event within its attempt, from 0; on the final one it is the count of those
/// before.
pub const CHAT_SEQ: &str = "Chat-Seq";
/// `interactive` or `batch`.
pub const CHAT_LANE: &str = "Chat-Lane";
/// The version of the policy that approved the request.
pub const CHAT_POLICY: &str = "Chat-Policy";
/// The filter's signature over what it approved: Ed25519, base64url without padding.
pub const CHAT_SIGNATURE: &str = "Chat-Signature";
/// Which of the filter's keys has signed: the first 16 hex digits of the public key's SHA-256.
pub const CHAT_SIGNING_KEY: &str = "Chat-Signing-Key";
/// SHA-256 of the client's body: carried on into the result.
pub const CHAT_BODY_SHA256: &str = "Chat-Body-SHA256";
/// On a dead letter: why the request was given up, as [`crate::error::ErrorCode`] names it.
pub const CHAT_DEAD_REASON: &str = "Chat-Dead-Reason";
/// On a dead letter: when it was given up, in milliseconds since the Unix epoch, UTC.
pub const CHAT_DEAD_AT: &str = "Chat-Dead-At";
/// W3C trace context, carried on unchanged.
pub const TRACEPARENT: &str = "traceparent";
/// ADR-32: the error's HTTP status.
pub const NATS_ERROR_CODE: &str = "Nats-Service-Error-Code";
/// ADR-32: the error's code, a constant.
pub const NATS_ERROR: &str = "Nats-Service-Error";
