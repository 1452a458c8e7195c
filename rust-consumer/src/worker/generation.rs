//! The generation of one answer: the calls of llama.cpp for a job.

use std::time::Duration;

use bytes::Bytes;
use tokio::time::{Instant, sleep};

use super::Worker;
use super::guard::{Checker, Guard, without_alternatives};
use super::job::GenerationRequest;
use super::pipeline::Pipeline;
use super::trim;
use crate::bus::retry::Backoff;
use crate::contract::headers::Envelope;
use crate::contract::messages::{ApprovedChat, Reply};
use crate::error::{JobError, ModelError};
use crate::llama::{control_tokens, request};

impl Worker {
    /// Calls llama.cpp until it answers, or has been away for too long.
    pub(super) async fn generate(
        &mut self,
        envelope: &Envelope,
        generation: &GenerationRequest,
        pipeline: &mut Pipeline<'_>,
    ) -> Result<Reply, JobError> {
        let mut gone = None;
        let mut backoff = Backoff::default();
        loop {
            let ended = Box::pin(self.attempt(envelope, &generation.chat, pipeline)).await;
            let error = match ended {
                Err(JobError::Model(error)) if error.is_absence() => error,
                ended => return ended,
            };
            let wait = backoff.next_wait();
            if Instant::now() + wait
                >= *gone.get_or_insert_with(|| Instant::now() + self.llama_gone)
            {
                return Err(error.into());
            }
            tracing::warn!(chat_id = %envelope.address.id, %error, "llama.cpp is away, trying again");
            self.status.missed_llama();
            sleep(wait).await;
        }
    }

    /// Calls llama.cpp once, with as much of the conversation as it can read.
    async fn attempt(
        &mut self,
        envelope: &Envelope,
        chat: &ApprovedChat,
        pipeline: &mut Pipeline<'_>,
    ) -> Result<Reply, JobError> {
        let id = envelope.address.id;
        let n_ctx = self.status.now().props.n_ctx;
        let trimmed = trim::fitting(&self.llama, chat, id, n_ctx).await?;
        if let Some(exchanges) = trimmed.left_out {
            tracing::info!(chat_id = %id, exchanges, "the oldest exchanges are left out");
        }
        Box::pin(control_tokens::check(&self.llama, &trimmed.chat)).await?;
        let request = request::completion_request(&trimmed.chat, id)?;
        let guard = self.guard(envelope, chat.check_answer);
        let mut reply = Box::pin(self.call(envelope, request, guard, pipeline)).await?;
        reply.trimmed = trimmed.left_out;
        Ok(reply)
    }

    fn guard(&self, envelope: &Envelope, check_answer: bool) -> Guard {
        if !check_answer {
            return Guard::open();
        }
        let checker = Checker {
            bus: self.bus.clone(),
            limit: self.answer_check,
            status: self.status.clone(),
        };
        Guard::checked(checker, envelope.address.id)
    }

    async fn call(
        &mut self,
        envelope: &Envelope,
        request: Bytes,
        guard: Guard,
        pipeline: &mut Pipeline<'_>,
    ) -> Result<Reply, JobError> {
        if self.slot.unsure || envelope.attempt > 1 {
            self.slot.freed(Duration::ZERO).await?;
        }
        let began = Instant::now();
        self.slot.unsure = true; // Until the call has ended well: it may be dropped anywhere below.
        let completion = match self.llama.complete(request).await {
            Ok(completion) => completion,
            // What hangs is started again, and has done nothing for this request.
            Err(ModelError::Failed(_)) if self.status.now().is_stuck() => {
                return Err(ModelError::NotThere("it hangs").into());
            }
            Err(error) => {
                self.slot.unsure = !matches!(error, ModelError::ContextExceeded(_));
                return Err(error.into());
            }
        };
        let metrics = &self.metrics;
        let mut first = None;
        let on_first = || {
            let elapsed = began.elapsed();
            first = Some(elapsed);
            metrics.first_token_seconds.observe(elapsed.as_secs_f64());
        };
        let is_checked = guard.is_checked();
        let answer = pipeline.run(completion, guard, on_first).await?;
        let tokens = answer.completion_tokens().unwrap_or_default();
        metrics.tokens.inc_by(tokens);
        let mut reply = answer.into_reply(envelope.address.id)?;
        if let Some(model) = &reply.model {
            metrics.generated(model, first, began.elapsed(), tokens);
        }
        if is_checked {
            without_alternatives(reply.logprobs.as_mut());
        }
        self.slot.unsure = false;
        Ok(reply)
    }
}
