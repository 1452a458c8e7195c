//! The replies to a requester: numbered events, the final reply, and the end of a stream.

use async_nats::{HeaderMap, Subject};
use bytes::Bytes;
use uuid::Uuid;

use super::Bus;
use super::results::ChatResult;
use crate::contract::headers::{self, Envelope, EventLevel};
use crate::contract::messages::{Message, StartedEvent, TokenEvent};
use crate::error::{InvalidMessage, JobError};

/// Beside the requester. Each costs another message for each piece.
const MAX_FOLLOWERS: usize = 16;

/// The replies to one delivery of a request.
#[derive(Debug)]
pub struct Replies<'a> {
    bus: &'a Bus,
    envelope: &'a Envelope,
    seq: u64,
    /// The body of `started`, once that was sent.
    started: Option<Bytes>,
    /// All pieces that were sent, as one.
    sent: TokenEvent,
    followers: Vec<Follower>,
}

/// A gateway that listens to a request of another one, or of one that is gone.
#[derive(Debug)]
struct Follower {
    subject: Subject,
    /// What it is sent has numbers of its own, as it was sent the first pieces as one.
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
            started: None,
            sent: TokenEvent::default(),
            followers: Vec::new(),
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
            let body = started.write()?;
            self.started = Some(body.clone());
            self.event("started", body).await;
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
            self.sent.join(piece.clone());
            self.event("token", piece.write()?).await;
        }
        Ok(())
    }

    /// Sends `subject` what was sent so far, and from now on all that follows. A requester that
    /// wants no pieces has no followers: nothing of them is kept.
    ///
    /// # Errors
    /// [`InvalidMessage`], which a [`TokenEvent`] cannot cause.
    pub async fn follow(&mut self, subject: Subject) -> Result<(), InvalidMessage> {
        let is_known = self.envelope.reply_to.as_ref() == Some(&subject)
            || self.followers.iter().any(|known| known.subject == subject);
        if is_known || !self.has_tokens() || self.followers.len() >= MAX_FOLLOWERS {
            return Ok(());
        }
        let Some(started) = self.started.clone() else {
            return Ok(());
        };
        let mut follower = Follower { subject, seq: 0 };
        let mut events = vec![("started", started)];
        if self.sent != TokenEvent::default() {
            events.push(("token", self.sent.write()?));
        }
        for (event, body) in events {
            let headers = self.headers(event, follower.seq);
            self.publish(&follower.subject, headers, body).await;
            follower.seq += 1;
        }
        self.followers.push(follower);
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
        let body = &result.body;
        for follower in &self.followers {
            let headers = self.final_headers(result, follower.seq);
            let subject = follower.subject.clone();
            self.bus
                .publish(subject, Some(headers), body.clone())
                .await?;
        }
        let headers = self.final_headers(result, self.seq);
        self.bus
            .publish(reply_to.clone(), Some(headers), body.clone())
            .await?;
        if self.has_tokens() {
            self.bus
                .publish(reply_to.clone(), None, Bytes::new())
                .await?;
        }
        Ok(self.bus.flush().await?)
    }

    async fn event(&mut self, event: &'static str, body: Bytes) {
        if let Some(reply_to) = &self.envelope.reply_to {
            let headers = self.headers(event, self.seq);
            self.publish(reply_to, headers, body.clone()).await;
        }
        for follower in &self.followers {
            let headers = self.headers(event, follower.seq);
            self.publish(&follower.subject, headers, body.clone()).await;
        }
        self.seq += 1;
        for follower in &mut self.followers {
            follower.seq += 1;
        }
    }

    /// An event that is lost is missed by its number, and the final reply has everything: so it is
    /// not worth holding the model up.
    async fn publish(&self, subject: &Subject, headers: HeaderMap, body: Bytes) {
        if !self.bus.is_connected() {
            return;
        }
        let published = self.bus.publish(subject.clone(), Some(headers), body);
        if let Err(error) = published.await {
            tracing::debug!(chat_id = %self.envelope.address.id, %error, "an event was lost");
        }
    }

    fn final_headers(&self, result: &ChatResult, seq: u64) -> HeaderMap {
        let Some(code) = result.error else {
            return self.headers("done", seq);
        };
        let mut headers = self.headers("error", seq);
        headers.insert(headers::NATS_ERROR_CODE, code.status().to_string());
        headers.insert(headers::NATS_ERROR, code.name());
        headers
    }

    fn headers(&self, event: &'static str, seq: u64) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(headers::CHAT_ID, self.envelope.address.id.to_string());
        headers.insert(headers::CHAT_EVENT, event);
        headers.insert(headers::CHAT_ATTEMPT, self.envelope.attempt.to_string());
        headers.insert(headers::CHAT_SEQ, seq.to_string());
        if let Some(trace) = &self.envelope.traceparent {
            headers.insert(headers::TRACEPARENT, trace.as_str());
        }
        headers
    }
}
