//! The generation of one answer: the calls of llama.cpp for a job.

use std::num::NonZeroU32;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::{Instant, sleep};

use super::guard::{Checker, Guard, without_alternatives};
use super::job::GenerationRequest;
use super::pipeline::Pipeline;
use super::{SlotGuard, Worker, trim};
use crate::bus::retry::Backoff;
use crate::contract::headers::Envelope;
use crate::contract::messages::{ApprovedChat, Reply};
use crate::error::{JobError, ModelError};
use crate::llama::answer::Answer;
use crate::llama::slot::Slot;
use crate::llama::{control_tokens, request};

/// An answer that the model has ended, while a filter may still have to check its rest.
struct Written {
    answer: Answer,
    guard: Guard,
    trimmed: Option<NonZeroU32>,
}

impl Worker {
    /// Calls llama.cpp until it answers, or has been away for too long. The slot is free again once
    /// the model has ended the answer.
    pub(super) async fn generate(
        &self,
        envelope: &Envelope,
        generation: &GenerationRequest,
        mut slot: SlotGuard,
        pipeline: &mut Pipeline<'_>,
    ) -> Result<Reply, JobError> {
        let mut gone = None;
        let mut backoff = Backoff::default();
        let mut written = loop {
            let ended = Box::pin(self.attempt(envelope, &generation.chat, &mut slot, pipeline));
            let error = match ended.await {
                Err(JobError::Model(error)) if error.is_absence() => error,
                ended => break ended?,
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
        };
        drop(slot);
        let is_checked = written.guard.is_checked();
        pipeline.rest(&mut written.guard).await?;
        let mut reply = written.answer.into_reply(envelope.address.id)?;
        reply.trimmed = written.trimmed;
        if is_checked {
            without_alternatives(reply.logprobs.as_mut());
        }
        Ok(reply)
    }

    /// Calls llama.cpp once, with as much of the conversation as it can read.
    async fn attempt(
        &self,
        envelope: &Envelope,
        chat: &ApprovedChat,
        slot: &mut Slot,
        pipeline: &mut Pipeline<'_>,
    ) -> Result<Written, JobError> {
        let id = envelope.address.id;
        let n_ctx = self.status.now().props.n_ctx;
        let trimmed = trim::fitting(&self.llama, chat, id, n_ctx).await?;
        if let Some(exchanges) = trimmed.left_out {
            tracing::info!(chat_id = %id, exchanges, "the oldest exchanges are left out");
        }
        Box::pin(control_tokens::check(&self.llama, &trimmed.chat)).await?;
        let request = request::completion_request(&trimmed.chat, id)?;
        let mut guard = self.guard(envelope, chat.check_answer);
        let answer = self.call(envelope, request, slot, &mut guard, pipeline);
        Ok(Written {
            answer: Box::pin(answer).await?,
            guard,
            trimmed: trimmed.left_out,
        })
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
        &self,
        envelope: &Envelope,
        request: Bytes,
        slot: &mut Slot,
        guard: &mut Guard,
        pipeline: &mut Pipeline<'_>,
    ) -> Result<Answer, JobError> {
        if slot.unsure || envelope.attempt > 1 {
            slot.freed(Duration::ZERO).await?;
        }
        slot.closed().await;
        let began = Instant::now();
        slot.unsure = true; // Until the call has ended well: it may be dropped anywhere below.
        let mut completion = match self.llama.complete(request).await {
            Ok(completion) => completion,
            // What hangs is started again, and has done nothing for this request.
            Err(ModelError::Failed(_)) if self.status.now().is_stuck() => {
                return Err(ModelError::NotThere("it hangs").into());
            }
            Err(error) => {
                slot.unsure = !matches!(error, ModelError::ContextExceeded(_));
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
        let answer = pipeline.run(&mut completion, guard, on_first).await?;
        slot.unsure = !answer.is_finished();
        slot.close(completion);
        let tokens = answer.completion_tokens().unwrap_or_default();
        metrics.tokens.inc_by(tokens);
        if answer.is_finished()
            && let Some(model) = answer.model()
        {
            metrics.generated(model, first, began.elapsed(), tokens);
        }
        Ok(answer)
    }
}
