//! The way of an answer to its requester:
//!
//! ```text
//! completion → answer → guard → coalescer → replies
//! ```
//!
//! The completion gives the events of llama.cpp's stream, the answer puts them together, the guard
//! holds pieces back until a filter has checked them, the coalescer joins those of a fast model,
//! and the replies send them.

use std::pin::pin;

use async_nats::Subject;
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::{Instant, sleep_until};

use super::coalescer::Coalescer;
use super::guard::Guard;
use crate::bus::replies::Replies;
use crate::bus::results::ChatResult;
use crate::contract::messages::TokenEvent;
use crate::error::{InvalidMessage, JobError};
use crate::llama::answer::Answer;
use crate::llama::completion::Completion;

/// The stages behind the answer. They outlive a completion that is dropped: what was written before
/// is sent all the same.
#[derive(Debug)]
pub struct Pipeline<'a> {
    coalescer: Coalescer,
    replies: Replies<'a>,
    followers: broadcast::Receiver<Subject>,
}

impl<'a> Pipeline<'a> {
    /// A pipeline that ends in `replies`, and in those of its `followers`.
    #[must_use]
    pub fn new(replies: Replies<'a>, followers: broadcast::Receiver<Subject>) -> Self {
        Self {
            coalescer: Coalescer::default(),
            replies,
            followers,
        }
    }

    /// Sends `started`, if the requester wants it.
    ///
    /// # Errors
    /// [`InvalidMessage`], which this message cannot cause.
    pub async fn started(&mut self, model: Option<&str>) -> Result<(), InvalidMessage> {
        self.replies.started(model).await
    }

    /// Runs a completion through the stages until the model has ended; returns the answer. What the
    /// guard holds back then is the [rest](Self::rest). `on_first` is called at the first piece.
    ///
    /// # Errors
    /// [`JobError::Model`]: the stream breaks off before the model has ended, or cannot be read.
    /// [`JobError::AnswerRefused`], [`JobError::AnswerUnchecked`]: nothing more of it may be sent.
    pub async fn run(
        &mut self,
        completion: &mut Completion,
        guard: &mut Guard,
        on_first: impl FnOnce(),
    ) -> Result<Answer, JobError> {
        let mut answer = Answer::new(self.replies.id());
        let mut on_first = Some(on_first);
        while !answer.is_complete() {
            let events = match self.next_events(completion, guard).await {
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
                    self.send(guard.push(piece)).await?;
                }
            }
        }
        Ok(answer)
    }

    /// Sends what the guard still holds back, once it is checked, and what is coalesced.
    ///
    /// # Errors
    /// [`JobError::AnswerRefused`], [`JobError::AnswerUnchecked`]: nothing more of it may be sent.
    pub async fn rest(&mut self, guard: &mut Guard) -> Result<(), JobError> {
        self.send(guard.finish().await?).await?;
        Ok(self.flush().await?)
    }

    /// Sends the result, after all pieces.
    ///
    /// # Errors
    /// [`JobError::Bus`]: it may not have been sent.
    pub async fn finish(&mut self, result: &ChatResult) -> Result<(), JobError> {
        self.flush().await?;
        while let Ok(subject) = self.followers.try_recv() {
            self.replies.follow(subject).await?;
        }
        self.replies.finish(result).await
    }

    /// Waits for what the model writes next. Meanwhile the pieces that a filter has checked are
    /// released, and those that are joined are sent when they are due.
    async fn next_events(
        &mut self,
        completion: &mut Completion,
        guard: &mut Guard,
    ) -> Result<Option<Vec<Vec<u8>>>, JobError> {
        let mut next = pin!(completion.next());
        loop {
            tokio::select! {
                biased;
                released = guard.released(), if guard.is_checking() => self.send(released?).await?,
                events = &mut next => return Ok(events?),
                () = until(self.coalescer.due()) => self.flush().await?,
                subject = next_follower(&mut self.followers) => self.replies.follow(subject).await?,
            }
        }
    }

    /// Hands what the guard released on: sent now, or joined with what follows at once.
    async fn send(
        &mut self,
        released: impl IntoIterator<Item = TokenEvent>,
    ) -> Result<(), InvalidMessage> {
        if !self.replies.has_tokens() {
            return Ok(());
        }
        for piece in released {
            if let Some(piece) = self.coalescer.push(piece, Instant::now()) {
                self.replies.token(&piece).await?;
            }
        }
        Ok(())
    }

    async fn flush(&mut self) -> Result<(), InvalidMessage> {
        match self.coalescer.take(Instant::now()) {
            Some(piece) => self.replies.token(&piece).await,
            None => Ok(()),
        }
    }
}

/// Waits for the next follower.
async fn next_follower(followers: &mut broadcast::Receiver<Subject>) -> Subject {
    loop {
        match followers.recv().await {
            Ok(subject) => return subject,
            Err(RecvError::Lagged(_)) => {}
            Err(RecvError::Closed) => return std::future::pending().await,
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
