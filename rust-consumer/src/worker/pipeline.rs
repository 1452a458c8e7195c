//! The way of an answer to its requester:
//!
//! ```text
//! completion → answer → guard → coalescer → replies
//! ```
//!
//! The completion gives the events of llama.cpp's stream, the answer puts them together, the guard
//! may hold pieces back, the coalescer joins those of a fast model, and the replies send them.

use std::pin::pin;

use tokio::time::{Instant, sleep_until};

use super::coalescer::Coalescer;
use super::guard::Guard;
use crate::bus::replies::Replies;
use crate::bus::results::ChatResult;
use crate::contract::messages::TokenEvent;
use crate::error::{InvalidMessage, JobError};
use crate::llama::Completion;
use crate::llama::answer::Answer;

/// The stages behind the answer. They outlive a completion that is dropped: what was written before
/// is sent all the same.
#[derive(Debug)]
pub struct Pipeline<'a> {
    guard: Guard,
    coalescer: Coalescer,
    replies: Replies<'a>,
}

impl<'a> Pipeline<'a> {
    /// A pipeline that ends in `replies`.
    #[must_use]
    pub fn new(replies: Replies<'a>) -> Self {
        Self {
            guard: Guard,
            coalescer: Coalescer::default(),
            replies,
        }
    }

    /// Sends `started`, if the requester wants it.
    ///
    /// # Errors
    /// [`InvalidMessage`], which this message cannot cause.
    pub async fn started(&mut self, model: Option<&str>) -> Result<(), InvalidMessage> {
        self.replies.started(model).await
    }

    /// Runs a completion through all stages to its end; returns the answer. `on_first` is called at
    /// its first piece.
    ///
    /// # Errors
    /// [`JobError::Model`]: the stream breaks off before the model has ended, or cannot be read.
    pub async fn run(
        &mut self,
        mut completion: Completion,
        on_first: impl FnOnce(),
    ) -> Result<Answer, JobError> {
        let mut answer = Answer::new(self.replies.id());
        let mut on_first = Some(on_first);
        while !answer.is_complete() {
            let events = match self.next_events(&mut completion).await {
                Ok(Some(events)) => events,
                Ok(None) => break,
                // All its text is here; only the counts are missing.
                Err(JobError::Model(_)) if answer.is_finished() => break,
                Err(error) => return Err(error),
            };
            for data in events {
                if let Some(piece) = answer.push(&data)? {
                    if let Some(on_first) = on_first.take() {
                        on_first();
                    }
                    let released = self.guard.push(piece);
                    self.send(released).await?;
                }
            }
        }
        let rest = self.guard.finish();
        self.send(rest).await?;
        self.flush().await?;
        completion.close().await;
        Ok(answer)
    }

    /// Sends the result, after all pieces.
    ///
    /// # Errors
    /// [`JobError::Bus`]: it may not have been sent.
    pub async fn finish(&mut self, result: &ChatResult) -> Result<(), JobError> {
        self.flush().await?;
        self.replies.finish(result).await
    }

    /// Waits for what the model writes next. Meanwhile the pieces that are joined are sent when
    /// they are due.
    async fn next_events(
        &mut self,
        completion: &mut Completion,
    ) -> Result<Option<Vec<Vec<u8>>>, JobError> {
        let mut next = pin!(completion.next());
        loop {
            tokio::select! {
                biased;
                events = &mut next => return Ok(events?),
                () = until(self.coalescer.due()) => self.flush().await?,
            }
        }
    }

    /// Hands what the guard released on: sent now, or joined with what follows at once.
    async fn send(&mut self, released: Option<TokenEvent>) -> Result<(), InvalidMessage> {
        let now = Instant::now();
        let wanted = released.filter(|_| self.replies.has_tokens());
        match wanted.and_then(|piece| self.coalescer.push(piece, now)) {
            Some(piece) => self.replies.token(&piece).await,
            None => Ok(()),
        }
    }

    async fn flush(&mut self) -> Result<(), InvalidMessage> {
        match self.coalescer.take(Instant::now()) {
            Some(piece) => self.replies.token(&piece).await,
            None => Ok(()),
        }
    }
}

/// Waits until `due`; for ever if nothing is.
async fn until(due: Option<Instant>) {
    match due {
        Some(due) => sleep_until(due).await,
        None => std::future::pending().await,
    }
}
