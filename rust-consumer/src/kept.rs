//! What is written once and never changed: a message is created where its subject holds none yet.

use async_nats::jetstream::ErrorCode as ServerCode;
use async_nats::jetstream::context::PublishErrorKind;
use async_nats::jetstream::message::PublishMessage;

use crate::bus::{Bus, QUESTION};
use crate::error::BusError;

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
