//! What is written once and never changed: a message is created where its subject holds none yet.

use std::time::Duration;

use async_nats::jetstream::ErrorCode as ServerCode;
use async_nats::jetstream::context::PublishErrorKind;
use async_nats::jetstream::message::PublishMessage;
use tokio::time::sleep;

use crate::bus::{Bus, QUESTION};
use crate::error::BusError;

const SHORTEST_WAIT: Duration = Duration::from_millis(100);
const LONGEST_WAIT: Duration = Duration::from_secs(2);

/// Creates a message of `stream`; false where its subject holds one already.
///
/// # Errors
/// [`BusError`]: it is not known to be stored; [`BusError::TooLarge`]: it never will be;
/// [`BusError::Missing`]: no stream takes the subject.
pub async fn create(
    bus: &Bus,
    stream: &'static str,
    subject: String,
    message: PublishMessage,
) -> Result<bool, BusError> {
    let message = message.expected_last_subject_sequence(0);
    let stored = async { bus.context.send_publish(subject, message).await?.await };
    match tokio::time::timeout(QUESTION, stored).await {
        Ok(Ok(_)) => Ok(true),
        Ok(Err(error)) => match error.kind() {
            PublishErrorKind::WrongLastSequence => Ok(false),
            PublishErrorKind::MaxPayloadExceeded => Err(BusError::TooLarge),
            PublishErrorKind::StreamNotFound => Err(BusError::Missing(stream)),
            PublishErrorKind::TimedOut => Err(BusError::TimedOut),
            _ if is_wrong_last_sequence(&error) => Ok(false),
            _ => Err(BusError::Refused(error.to_string())),
        },
        Err(_) => Err(BusError::TimedOut),
    }
}

/// A cluster may answer 10164, the same refusal under another number.
fn is_wrong_last_sequence(error: &(dyn std::error::Error + 'static)) -> bool {
    let server = error
        .source()
        .and_then(|source| source.downcast_ref::<async_nats::jetstream::Error>());
    server
        .is_some_and(|error| error.error_code() == ServerCode::STREAM_WRONG_LAST_SEQUENCE_CONSTANT)
}

/// Asks the bus again and again; the lease, the deadline or the stop ends it. Only what can never succeed
/// is an error.
///
/// # Errors
/// [`BusError::TooLarge`].
pub async fn insist<T, F>(ask: impl Fn() -> F) -> Result<T, BusError>
where
    F: Future<Output = Result<T, BusError>>,
{
    let mut wait = SHORTEST_WAIT;
    loop {
        match ask().await {
            Err(BusError::TooLarge) => return Err(BusError::TooLarge),
            Err(error) => {
                tracing::warn!(%error, "the outcomes cannot be reached, trying again");
                sleep(wait).await;
                wait = (wait * 2).min(LONGEST_WAIT);
            }
            done => return done,
        }
    }
}
