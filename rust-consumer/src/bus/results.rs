//! A request's one result, kept in `CHAT_RESULT`: written create-only, and never changed.

use async_nats::jetstream::message::PublishMessage;
use async_nats::jetstream::stream::LastRawMessageErrorKind;
use bytes::Bytes;

use super::{Bus, REQUEST_TIMEOUT, bounded};
use crate::contract::address::Address;
use crate::contract::headers::{self, Envelope};
use crate::contract::messages::{ErrorReply, Message, Reply, Usage};
use crate::contract::subjects::RESULT_STREAM;
use crate::error::{BusError, ErrorCode, InvalidMessage};

/// The end of a request: what its requester receives.
#[derive(Debug, Clone)]
pub struct ChatResult {
    /// A [`Reply`] or an [`ErrorReply`], as JSON.
    pub body: Bytes,
    /// The code of an error.
    pub error: Option<ErrorCode>,
    /// What the log says about it.
    pub facts: Facts,
}

/// What the log of what happened says about an answer or a refusal; nothing about an error.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Facts {
    /// The model that answered.
    pub model: Option<String>,
    /// Of a refusal: the location of the refused text.
    pub place: Option<String>,
    /// Of a refusal: the policy's rule, if it is known here.
    pub rule: Option<String>,
    /// Of a refusal: in which way of reading the text it was found.
    pub view: Option<String>,
    /// Counts of tokens.
    pub usage: Option<Usage>,
}

impl Facts {
    fn of(reply: &Reply) -> Self {
        Self {
            model: reply.model.clone(),
            place: reply.refusal.as_ref().map(|refusal| refusal.place.clone()),
            rule: None,
            view: None,
            usage: reply.usage,
        }
    }
}

impl ChatResult {
    /// An answer.
    ///
    /// # Errors
    /// [`InvalidMessage::Json`], which a [`Reply`] cannot cause.
    pub fn answer(reply: &Reply) -> Result<Self, InvalidMessage> {
        Ok(Self {
            body: reply.write()?,
            error: None,
            facts: Facts::of(reply),
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
            facts: Facts::default(),
        })
    }

    /// A result that is stored already; its body is handed on as it is. If a later version has
    /// stored it, under a code that is not known here, it is an error all the same.
    fn stored(body: Bytes) -> Self {
        let (error, facts) = if let Ok(reply) = Reply::read(&body) {
            (None, Facts::of(&reply))
        } else {
            let code = ErrorReply::read(&body).map(|reply| reply.error.code);
            (Some(code.unwrap_or(ErrorCode::Internal)), Facts::default())
        };
        Self { body, error, facts }
    }
}

impl Bus {
    /// Reads the request's result, if it has one, from the stream's leader: another replica may not
    /// have it yet (docs/adr/0010).
    ///
    /// # Errors
    /// [`BusError`]: nothing is known.
    pub async fn find_result(&self, address: &Address) -> Result<Option<ChatResult>, BusError> {
        let stream = self.context.get_stream_no_info(RESULT_STREAM);
        let stream = bounded(REQUEST_TIMEOUT, stream).await?;
        let subject = address.result();
        let found = stream.get_last_raw_message_by_subject(&subject);
        match tokio::time::timeout(REQUEST_TIMEOUT, found).await {
            Ok(Ok(message)) => Ok(Some(ChatResult::stored(message.payload))),
            Ok(Err(error)) => match error.kind() {
                LastRawMessageErrorKind::NoMessageFound => Ok(None),
                _ => Err(BusError::Refused(error.to_string())),
            },
            Err(_) => Err(BusError::TimedOut),
        }
    }

    /// Stores `result`, unless the request has one already.
    ///
    /// Returns whether it is the request's result now; if not, [`Bus::find_result`] has the one
    /// that is.
    ///
    /// # Errors
    /// [`BusError`]: it is not known to be stored; [`BusError::TooLarge`]: it never will be.
    pub async fn store_result(
        &self,
        envelope: &Envelope,
        result: &ChatResult,
    ) -> Result<bool, BusError> {
        let mut message = PublishMessage::build()
            .payload(result.body.clone())
            .header(headers::CHAT_ID, envelope.address.id.to_string());
        if let Some(digest) = &envelope.body_sha256 {
            message = message.header(headers::CHAT_BODY_SHA256, digest.as_str());
        }
        let subject = envelope.address.result();
        self.create_only(RESULT_STREAM, subject, message).await
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    /// What is stored is told apart by its shape; what a later version stored is handed on as an
    /// error.
    #[test]
    fn stored_results_are_told_apart() {
        let id = Uuid::nil();
        let reply =
            r#"{"response": "x", "id": "00000000-0000-0000-0000-000000000000", "later": 1}"#;
        let error = ErrorReply::of(ErrorCode::ModelFailed, "x".into(), id);
        let error = ChatResult::error(&error).unwrap();
        for (body, expected) in [
            (Bytes::from(reply), None),
            (error.body, Some(ErrorCode::ModelFailed)),
            (
                Bytes::from(r#"{"error": {"code": "later"}}"#),
                Some(ErrorCode::Internal),
            ),
        ] {
            let stored = ChatResult::stored(body.clone());
            assert_eq!((stored.error, stored.body), (expected, body));
        }
    }
}
