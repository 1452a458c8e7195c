//! The generation of one answer: the calls of llama.cpp for a job.

use std::time::Duration;

use bytes::Bytes;
use tokio::time::{Instant, sleep};

use super::Worker;
use super::guard::{Checker, Guard, without_alternatives};
use super::job::GenerationRequest;
use super::pipeline::Pipeline;
use crate::bus::retry::Backoff;
use crate::contract::headers::Envelope;
use crate::contract::messages::Reply;
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
        let request = request::completion_request(&generation.chat, envelope.address.id)?;
        let mut gone = None;
        let mut backoff = Backoff::default();
        loop {
            let checked = Box::pin(control_tokens::check(&self.llama, &generation.chat)).await;
            let ended = match checked {
                Ok(()) => {
                    let guard = self.guard(envelope, generation.chat.check_answer);
                    Box::pin(self.call(envelope, request.clone(), guard, pipeline)).await
                }
                Err(error) => Err(error),
            };
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
