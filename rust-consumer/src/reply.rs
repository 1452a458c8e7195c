//! What a requester hears: numbered events, the final reply, and the end of a stream (DESIGN, decision 7).

use async_nats::HeaderMap;
use bytes::Bytes;
use tokio::time::{Instant, sleep_until};

use crate::bus::Bus;
use crate::error::{InvalidMessage, JobError};
use crate::headers;
use crate::job::{Ticket, Wanted};
use crate::messages::{Message, Started, Token};
use crate::outcome::Outcome;
use crate::pieces::Pieces;

/// The replies to one delivery of a request.
#[derive(Debug)]
pub struct Replies<'a> {
    bus: &'a Bus,
    ticket: &'a Ticket,
    seq: u64,
    pieces: Pieces,
}

impl<'a> Replies<'a> {
    /// Nothing is said yet.
    #[must_use]
    pub fn new(bus: &'a Bus, ticket: &'a Ticket) -> Self {
        Self {
            bus,
            ticket,
            seq: 0,
            pieces: Pieces::default(),
        }
    }

    /// Says that the request is taken up, to who wants to hear it.
    ///
    /// # Errors
    /// [`InvalidMessage`], which a [`Started`] cannot cause.
    pub async fn started(&mut self, model: Option<&str>) -> Result<(), InvalidMessage> {
        if self.ticket.wanted >= Wanted::State {
            let started = Started {
                id: self.ticket.request.id,
                model: model.map(str::to_owned),
            };
            self.event("started", started.write()?).await;
        }
        Ok(())
    }

    /// Passes a piece of the answer on, to who wants to hear it: now, or with those that follow at once
    /// ([`Pieces`]). It does not wait until it is sent.
    ///
    /// # Errors
    /// [`InvalidMessage`], which a [`Token`] cannot cause.
    pub async fn token(&mut self, piece: Token) -> Result<(), InvalidMessage> {
        if self.ticket.wanted < Wanted::Token {
            return Ok(());
        }
        let told = self.pieces.add(piece, Instant::now());
        self.tell(told).await
    }

    /// Waits until the pieces that are gathered are to be told: for ever where there are none.
    pub async fn due(&self) {
        match self.pieces.due() {
            Some(due) => sleep_until(due).await,
            None => std::future::pending().await,
        }
    }

    /// Tells the pieces that are gathered.
    ///
    /// # Errors
    /// [`InvalidMessage`], which a [`Token`] cannot cause.
    pub async fn gathered(&mut self) -> Result<(), InvalidMessage> {
        let told = self.pieces.take(Instant::now());
        self.tell(told).await
    }

    async fn tell(&mut self, told: Option<Token>) -> Result<(), InvalidMessage> {
        if let Some(token) = told {
            self.event("token", token.write()?).await;
        }
        Ok(())
    }

    /// Says the outcome, after all pieces, ends the stream where there is one, and waits until that is sent. Who
    /// asks for the outcome itself is told nothing.
    ///
    /// # Errors
    /// [`JobError::Bus`]: it may not have been sent.
    pub async fn finish(&mut self, outcome: &Outcome) -> Result<(), JobError> {
        self.gathered().await?;
        let Some(reply_to) = &self.ticket.reply_to else {
            return Ok(());
        };
        if self.ticket.wanted == Wanted::Accepted {
            return Ok(());
        }
        let mut headers = self.headers(if outcome.error.is_some() {
            "error"
        } else {
            "done"
        });
        if let Some(code) = outcome.error {
            headers.insert(headers::NATS_ERROR_CODE, code.status().to_string());
            headers.insert(headers::NATS_ERROR, code.name());
        }
        let publish = self
            .bus
            .publish(reply_to.clone(), Some(headers), outcome.body.clone());
        publish.await?;
        if self.ticket.wanted == Wanted::Token {
            self.bus
                .publish(reply_to.clone(), None, Bytes::new())
                .await?;
        }
        Ok(self.bus.flush().await?)
    }

    /// An event that is lost is seen by its number, and the final reply has everything: so it is not
    /// worth holding the model up for.
    async fn event(&mut self, event: &'static str, body: Bytes) {
        let headers = self.headers(event);
        self.seq += 1;
        let Some(reply_to) = &self.ticket.reply_to else {
            return;
        };
        if !self.bus.is_connected() {
            return;
        }
        if let Err(error) = self
            .bus
            .publish(reply_to.clone(), Some(headers), body)
            .await
        {
            tracing::debug!(chat_id = %self.ticket.request.id, event, %error, "an event was lost");
        }
    }

    fn headers(&self, event: &'static str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(headers::CHAT_ID, self.ticket.request.id.to_string());
        headers.insert(headers::CHAT_EVENT, event);
        headers.insert(headers::CHAT_ATTEMPT, self.ticket.attempt.to_string());
        headers.insert(headers::CHAT_SEQ, self.seq.to_string());
        if let Some(trace) = &self.ticket.traceparent {
            headers.insert(headers::TRACEPARENT, trace.as_str());
        }
        headers
    }
}
