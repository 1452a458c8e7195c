//! The replies to a requester: numbered events, the final reply, and the end of a stream.

use async_nats::HeaderMap;
use bytes::Bytes;
use uuid::Uuid;

use super::Bus;
use super::results::ChatResult;
use crate::contract::headers::{self, Envelope, EventLevel};
use crate::contract::messages::{Message, StartedEvent, TokenEvent};
use crate::error::{InvalidMessage, JobError};

/// The replies to one delivery of a request.
#[derive(Debug)]
pub struct Replies<'a> {
    bus: &'a Bus,
    envelope: &'a Envelope,
    seq: u64,
}

impl<'a> Replies<'a> {
    /// Nothing is sent yet.
    #[must_use]
    pub fn new(bus: &'a Bus, envelope: &'a Envelope) -> Self {
        Self {
            bus,
            envelope,
            seq: 0,
        }
    }

    /// The request's id.
    #[must_use]
    pub fn id(&self) -> Uuid {
        self.envelope.address.id
    }

    /// Whether the requester wants the pieces of the answer.
    #[must_use]
    pub fn has_tokens(&self) -> bool {
        self.envelope.level >= EventLevel::Token
    }

    /// Sends `started`, if the requester wants it.
    ///
    /// # Errors
    /// [`InvalidMessage`], which a [`StartedEvent`] cannot cause.
    pub async fn started(&mut self, model: Option<&str>) -> Result<(), InvalidMessage> {
        if self.envelope.level >= EventLevel::State {
            let started = StartedEvent {
                id: self.envelope.address.id,
                model: model.map(str::to_owned),
            };
            self.event("started", started.write()?).await;
        }
        Ok(())
    }

    /// Sends a piece of the answer, if the requester wants those. It does not wait until it is
    /// written.
    ///
    /// # Errors
    /// [`InvalidMessage`], which a [`TokenEvent`] cannot cause.
    pub async fn token(&mut self, piece: &TokenEvent) -> Result<(), InvalidMessage> {
        if self.has_tokens() {
            self.event("token", piece.write()?).await;
        }
        Ok(())
    }

    /// Sends the result, ends the stream if there is one, and waits until that is written. A
    /// requester that asks for the result itself receives nothing.
    ///
    /// # Errors
    /// [`JobError::Bus`]: it may not have been sent.
    pub async fn finish(&self, result: &ChatResult) -> Result<(), JobError> {
        let Some(reply_to) = &self.envelope.reply_to else {
            return Ok(());
        };
        if self.envelope.level == EventLevel::Accepted {
            return Ok(());
        }
        let mut headers = self.headers(if result.error.is_some() {
            "error"
        } else {
            "done"
        });
        if let Some(code) = result.error {
            headers.insert(headers::NATS_ERROR_CODE, code.status().to_string());
            headers.insert(headers::NATS_ERROR, code.name());
        }
        let body = result.body.clone();
        self.bus
            .publish(reply_to.clone(), Some(headers), body)
            .await?;
        if self.has_tokens() {
            self.bus
                .publish(reply_to.clone(), None, Bytes::new())
                .await?;
        }
        Ok(self.bus.flush().await?)
    }

    /// An event that is lost is missed by its number, and the final reply has everything: so it is
    /// not worth holding the model up.
    async fn event(&mut self, event: &'static str, body: Bytes) {
        let headers = self.headers(event);
        self.seq += 1;
        let Some(reply_to) = &self.envelope.reply_to else {
            return;
        };
        if !self.bus.is_connected() {
            return;
        }
        let published = self.bus.publish(reply_to.clone(), Some(headers), body);
        if let Err(error) = published.await {
            tracing::debug!(chat_id = %self.envelope.address.id, event, %error, "an event was lost");
        }
    }

    fn headers(&self, event: &'static str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(headers::CHAT_ID, self.envelope.address.id.to_string());
        headers.insert(headers::CHAT_EVENT, event);
        headers.insert(headers::CHAT_ATTEMPT, self.envelope.attempt.to_string());
        headers.insert(headers::CHAT_SEQ, self.seq.to_string());
        if let Some(trace) = &self.envelope.traceparent {
            headers.insert(headers::TRACEPARENT, trace.as_str());
        }
        headers
    }
}
