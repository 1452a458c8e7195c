//! Header names of Stile's NATS messages, as in `contracts/src/stile_contracts/headers.py`, and the
//! envelope of a request: its address, and what its headers say about the answer. Values are ASCII.

use async_nats::{HeaderMap, Subject};

use super::address::Address;
use super::subjects::is_reply_allowed;

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

/// Which events a requester wants to receive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum EventLevel {
    /// None after `accepted`: it asks for the result itself.
    Accepted,
    /// The final reply alone.
    None,
    /// `started` too.
    State,
    /// Every piece of the answer too.
    Token,
}

impl EventLevel {
    /// Reads `Chat-Events`; `None` if its value is not known.
    #[must_use]
    pub fn read(headers: &HeaderMap) -> Option<Self> {
        match value(headers, CHAT_EVENTS) {
            Some("accepted") => Some(Self::Accepted),
            None | Some("none") => Some(Self::None),
            Some("state") => Some(Self::State),
            Some("token") => Some(Self::Token),
            Some(_) => None,
        }
    }
}

/// Enough to answer a request, whatever else is wrong with it.
#[derive(Debug, Clone)]
pub struct Envelope {
    /// The request's address.
    pub address: Address,
    /// Which delivery this is, from 1.
    pub attempt: u64,
    /// The subject of the replies; checked. `None` if none is named.
    pub reply_to: Option<Subject>,
    /// Which events the requester wants; [`EventLevel::None`] if that cannot be read.
    pub level: EventLevel,
    /// The digest of the client's body, for the result.
    pub body_sha256: Option<String>,
    /// The trace, for the replies.
    pub traceparent: Option<String>,
}

impl Envelope {
    /// Reads the headers of a delivery; `None` if no reply may be sent to the subject that they
    /// name.
    #[must_use]
    pub fn read(address: &Address, headers: &HeaderMap, attempt: u64) -> Option<Self> {
        let reply_to = value(headers, CHAT_REPLY_TO);
        let owned = |name| value(headers, name).map(str::to_owned);
        reply_to.is_none_or(is_reply_allowed).then(|| Self {
            address: address.clone(),
            attempt,
            reply_to: reply_to.map(Subject::from),
            level: EventLevel::read(headers).unwrap_or(EventLevel::None),
            body_sha256: owned(CHAT_BODY_SHA256),
            traceparent: owned(TRACEPARENT),
        })
    }
}

/// A header's value; the first, if there are several.
#[must_use]
pub fn value<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).map(async_nats::HeaderValue::as_str)
}
