//! A request's one outcome, kept in `CHAT_RESULT`, created once and never changed (DESIGN, decision 2).

use async_nats::jetstream::message::PublishMessage;
use async_nats::jetstream::stream::LastRawMessageErrorKind;
use bytes::Bytes;

use crate::bus::{Bus, QUESTION, bounded};
use crate::error::{BusError, ErrorCode, InvalidMessage};
use crate::headers;
use crate::job::Ticket;
use crate::kept;
use crate::messages::{ErrorReply, Message, Reply};
use crate::subjects::RESULT_STREAM;

/// What the requester is told in the end.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// A [`Reply`] or an [`ErrorReply`], as JSON.
    pub body: Bytes,
    /// The error that it tells of.
    pub error: Option<ErrorCode>,
}

impl Outcome {
    /// An answer.
    ///
    /// # Errors
    /// [`InvalidMessage::Json`], which a [`Reply`] cannot cause.
    pub fn answer(reply: &Reply) -> Result<Self, InvalidMessage> {
        Ok(Self {
            body: reply.write()?,
            error: None,
        })
    }

    /// An error.
    ///
    /// # Errors
    /// [`InvalidMessage::Json`], which an [`ErrorReply`] cannot cause.
    pub fn error(reply: &ErrorReply) -> Result<Self, InvalidMessage> {
        Ok(Self {
            body: reply.write()?,
            error: Some(reply.error.code),
        })
    }

    /// What somebody stored. The body is passed on as it is; one of a later version, whose code is not known
    /// here, is an error all the same.
    fn stored(body: Bytes) -> Self {
        let error = if Reply::read(&body).is_ok() {
            None
        } else {
            let code = ErrorReply::read(&body).map(|reply| reply.error.code);
            Some(code.unwrap_or(ErrorCode::Internal))
        };
        Self { body, error }
    }
}

/// Reads the outcome of the ticket's request, where it has one, from the stream's leader: another replica may
/// not have it yet (docs/adr/0012).
///
/// # Errors
/// [`BusError`]: nothing is known.
pub async fn find(bus: &Bus, ticket: &Ticket) -> Result<Option<Outcome>, BusError> {
    let stream = bounded(QUESTION, bus.context.get_stream_no_info(RESULT_STREAM)).await?;
    let subject = ticket.request.result().to_string();
    let found = stream.get_last_raw_message_by_subject(&subject);
    match tokio::time::timeout(QUESTION, found).await {
        Ok(Ok(message)) => Ok(Some(Outcome::stored(message.payload))),
        Ok(Err(error)) => match error.kind() {
            LastRawMessageErrorKind::NoMessageFound => Ok(None),
            _ => Err(BusError::Refused(error.to_string())),
        },
        Err(_) => Err(BusError::TimedOut),
    }
}

/// Stores `outcome`, unless the request has one already.
///
/// Returns whether it is the request's outcome now; where it is not, [`find`] has the one that is.
///
/// # Errors
/// [`BusError`]: it is not known to be stored; [`BusError::TooLarge`]: it never will be.
pub async fn store(bus: &Bus, ticket: &Ticket, outcome: &Outcome) -> Result<bool, BusError> {
    let mut message = PublishMessage::build()
        .payload(outcome.body.clone())
        .header(headers::CHAT_ID, ticket.request.id.to_string());
    if let Some(digest) = &ticket.body_sha256 {
        message = message.header(headers::CHAT_BODY_SHA256, digest.as_str());
    }
    let subject = ticket.request.result().to_string();
    kept::create(bus, RESULT_STREAM, subject, message).await
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    /// What is stored is told apart by its shape; what a later version stored is passed on as an error.
    #[test]
    fn stored_outcomes_are_told_apart() {
        let id = Uuid::nil();
        let reply =
            r#"{"response": "x", "id": "00000000-0000-0000-0000-000000000000", "later": 1}"#;
        let error = ErrorReply::of(ErrorCode::ModelFailed, "x".into(), id);
        let error = Outcome::error(&error).unwrap();
        for (body, expected) in [
            (Bytes::from(reply), None),
            (error.body, Some(ErrorCode::ModelFailed)),
            (
                Bytes::from(r#"{"error": {"code": "later"}}"#),
                Some(ErrorCode::Internal),
            ),
        ] {
            let stored = Outcome::stored(body.clone());
            assert_eq!((stored.error, stored.body), (expected, body));
        }
    }
}
