//! A job as the stream hands it out, and how it is settled.

use std::time::Duration;

use async_nats::jetstream;
use async_nats::{HeaderMap, Subject};
use bytes::Bytes;
use tokio::time::Instant;

/// How a delivered message is settled with the stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Settlement {
    /// Done: it leaves the stream.
    Ack,
    /// Given back, to be delivered again after the time.
    Nak(Duration),
    /// Given up, for the reason: it leaves the stream.
    Term(&'static str),
    /// Thrown away, for the reason: it leaves the stream, and nobody is told, as it never was a job.
    Reject(&'static str),
    /// Not touched: the lease is another's.
    Leave,
}

impl Settlement {
    /// Whether the job is over with it: it leaves the stream.
    #[must_use]
    pub fn is_end(self) -> bool {
        matches!(self, Self::Ack | Self::Term(_))
    }
}

/// A job as it came from the stream.
#[derive(Debug)]
pub struct Delivery {
    /// `chat.approved.<lane>.<client>.<id>`, and a model's token where one is named.
    pub subject: Subject,
    /// Its headers; empty where it has none.
    pub headers: HeaderMap,
    /// Its body.
    pub payload: Bytes,
    /// How often it was delivered, from 1.
    pub attempt: u64,
    /// When it came.
    pub received: Instant,
    /// Where it is settled.
    pub(crate) ack: Subject,
}

impl Delivery {
    /// What the stream has sent; `None` where it is no delivery.
    pub(crate) fn of(message: jetstream::Message) -> Option<Self> {
        let attempt = u64::try_from(message.info().ok()?.delivered).ok()?;
        let message = message.message;
        Some(Self {
            subject: message.subject,
            headers: message.headers.unwrap_or_default(),
            payload: message.payload,
            attempt,
            received: Instant::now(),
            ack: message.reply?,
        })
    }

    /// A first delivery of what a test made up.
    #[cfg(test)]
    pub(crate) fn for_test(subject: &str, headers: HeaderMap, payload: &'static str) -> Self {
        Self {
            subject: subject.into(),
            headers,
            payload: payload.into(),
            attempt: 1,
            received: Instant::now(),
            ack: "$JS.ACK".into(),
        }
    }
}
