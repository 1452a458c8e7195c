//! The envelope of a request: its address, and what its headers say about the answer.

use async_nats::{HeaderMap, Subject};

use super::address::Address;
use super::headers;
use super::subjects::is_reply_allowed;

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
        match value(headers, headers::CHAT_EVENTS) {
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
        let reply_to = value(headers, headers::CHAT_REPLY_TO);
        let owned = |name| value(headers, name).map(str::to_owned);
        reply_to.is_none_or(is_reply_allowed).then(|| Self {
            address: address.clone(),
            attempt,
            reply_to: reply_to.map(Subject::from),
            level: EventLevel::read(headers).unwrap_or(EventLevel::None),
            body_sha256: owned(headers::CHAT_BODY_SHA256),
            traceparent: owned(headers::TRACEPARENT),
        })
    }
}

/// A header's value; the first, if there are several.
#[must_use]
pub fn value<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).map(async_nats::HeaderValue::as_str)
}
