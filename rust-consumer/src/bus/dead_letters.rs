//! Dead letters: requests that were given up are kept in `CHAT_DLQ`, for the operator.

use std::time::{SystemTime, UNIX_EPOCH};

use async_nats::HeaderMap;
use async_nats::jetstream::message::PublishMessage;

use super::Bus;
use super::jobs::Delivery;
use crate::contract::address::Address;
use crate::contract::headers;
use crate::contract::subjects::DEAD_STREAM;
use crate::error::{BusError, ErrorCode};

/// A stream that does not answer is asked so often. Then the request ends all the same: its
/// requester waits, and an installation of an earlier version has neither the stream nor the
/// permission.
const TRIES: usize = 3;
/// Headers that nats-server itself reads: none of another message belongs into this one.
const NATS_PREFIX: &str = "Nats-";

impl Bus {
    /// Keeps a request, whole, with the reason. A failure is logged.
    pub async fn bury(&self, address: &Address, delivery: &Delivery, reason: ErrorCode) {
        let headers = letter(delivery, reason, SystemTime::now());
        for tries_left in (0..TRIES).rev() {
            let message = PublishMessage::build()
                .payload(delivery.payload.clone())
                .headers(headers.clone());
            match self.create_only(DEAD_STREAM, address.dead(), message).await {
                Ok(_) => return, // By this worker, or by the one before, which died then.
                Err(BusError::TimedOut) if tries_left > 0 => {}
                Err(error) => {
                    tracing::error!(chat_id = %address.id, %error, "a request that was given up is not among the dead letters");
                    return;
                }
            }
        }
    }
}

fn letter(delivery: &Delivery, reason: ErrorCode, now: SystemTime) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, values) in delivery.headers.iter() {
        let name: &str = name.as_ref();
        if name.starts_with(NATS_PREFIX) {
            continue;
        }
        for value in values {
            headers.append(name, value.as_str());
        }
    }
    let now = now.duration_since(UNIX_EPOCH).unwrap_or_default();
    headers.insert(headers::CHAT_DEAD_REASON, reason.name());
    headers.insert(headers::CHAT_DEAD_AT, now.as_millis().to_string());
    headers.insert(headers::CHAT_ATTEMPT, delivery.attempt.to_string());
    headers
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// A dead letter has its request's headers, less what nats-server would read, and says why and
    /// when.
    #[test]
    fn a_letter_says_why_and_when() {
        let mut own = HeaderMap::new();
        own.insert(headers::CHAT_CLIENT, "alice");
        own.insert("Nats-Expected-Stream", "CHAT");
        let mut delivery = Delivery::for_test("chat.approved.batch.alice.x", own, "{}");
        delivery.attempt = 4;
        let now = UNIX_EPOCH + Duration::from_millis(1_700_000_000_123);
        let letter = letter(&delivery, ErrorCode::TooManyAttempts, now);
        let has = |name, value| letter.get(name).unwrap().as_str() == value;
        assert!(has(headers::CHAT_CLIENT, "alice"));
        assert!(has(headers::CHAT_DEAD_REASON, "too_many_attempts"));
        assert!(has(headers::CHAT_DEAD_AT, "1700000000123"));
        assert!(has(headers::CHAT_ATTEMPT, "4"));
        assert_eq!(letter.len(), 4);
    }
}
