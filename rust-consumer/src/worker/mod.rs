//! One job, from its delivery to its reply: the steps of `docs/protocol.md`, "The consumer".

pub mod approval;
pub mod coalescer;
mod generation;
pub mod guard;
pub mod job;
pub mod pipeline;
pub mod run_loop;
mod trim;

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::sync::OwnedMutexGuard;
use tokio::time::{Instant, sleep, timeout_at};
use tokio_util::sync::CancellationToken;

use crate::bus::Bus;
use crate::bus::jobs::{AckDecision, Delivery, Lease};
use crate::bus::log::{self, Earlier};
use crate::bus::replies::Replies;
use crate::bus::results::ChatResult;
use crate::bus::retry::{SHORTEST_WAIT, retry};
use crate::contract::headers::Envelope;
use crate::contract::messages::{AnswerCheck, ErrorReply, Reply, Stage};
use crate::error::{BusError, ErrorCode, JobError, ModelError};
use crate::llama::Llama;
use crate::llama::slot::Slot;
use crate::ops::metrics::Metrics;
use crate::ops::status::Status;
use crate::ops::traces::{JobTrace, Traces};
use crate::schedule::in_flight::{InFlight, InFlightGuard};
use approval::Keys;
use job::Job;
use pipeline::Pipeline;

/// A message is worked on this often; the next delivery only answers that it was too often.
const MAX_ATTEMPTS: u64 = 3;

/// Holds the model's slot: a job has it until the model has ended its answer.
pub type SlotGuard = OwnedMutexGuard<Slot>;

/// Answers jobs. A job may call the model only while it has the model's [`Slot`]. Results of earlier
/// jobs may still be on their way.
#[derive(Debug)]
pub struct Worker {
    /// The bus.
    pub bus: Bus,
    /// The filter's keys; `None`: signatures are not checked.
    pub approvals: Option<Keys>,
    /// The model.
    pub llama: Llama,
    /// How long a job is held while llama.cpp is away.
    pub llama_gone: Duration,
    /// How long the filters have for one check of an answer.
    pub answer_check: Duration,
    /// What the service knows of itself.
    pub status: Status,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// The requests that a cancellation may stop.
    pub in_flight: InFlight,
    /// No time is left: the job is given back.
    pub abandon: CancellationToken,
    /// Where spans go.
    pub traces: Traces,
}

impl Worker {
    /// Verifies a delivery. One that nobody can be answered for is counted and logged: nothing is
    /// sent or stored, as the reply subject may be the attack.
    ///
    /// # Errors
    /// How its message is acknowledged then.
    pub fn verify<'a>(&self, delivery: &'a Delivery) -> Result<Job<'a>, AckDecision> {
        Job::verify(delivery, self.approvals.as_ref()).map_err(|error| {
            let subject = &*delivery.subject;
            let chat_id = delivery
                .address
                .as_ref()
                .map(|address| address.id.to_string());
            if let JobError::Forged(reason) = &error {
                tracing::error!(chat_id, subject, %reason, "an approval is not the filter's");
            } else {
                tracing::warn!(chat_id, subject, reason = error.name(), "nobody to answer");
            }
            self.metrics.ended(error.name());
            error.ack_decision()
        })
    }

    /// Answers one job; returns how its message is acknowledged. `slot` is dropped once the model is
    /// not needed for it any more: what is left is to store and send the result.
    pub async fn handle(&self, job: &Job<'_>, lease: Duration, slot: SlotGuard) -> AckDecision {
        let metrics = &self.metrics;
        let attempt = job.envelope.attempt;
        metrics.in_flight.inc();
        self.status.enter();
        if attempt > 1 {
            metrics.redeliveries.inc();
        }
        let waited = (attempt == 1).then_some(job.delivery.waited);
        let trace = self.traces.job(&job.envelope, waited);
        let lease = Lease::new(&self.bus, job.delivery, lease);
        let ended = tokio::select! {
            biased;
            ended = lease.keep(self.answer(job, slot, &trace)) => ended,
            () = self.abandon.cancelled() => Err(JobError::Stopping),
        };
        let seconds = job.delivery.received.elapsed().as_secs_f64();
        let chat_id = job.envelope.address.id;
        let (name, decision) = match ended {
            Ok(ended) => {
                metrics.service_seconds.observe(seconds);
                ended
            }
            Err(error) => {
                tracing::warn!(%chat_id, attempt, %error, "the job is given back");
                (error.name(), error.ack_decision())
            }
        };
        metrics.ended(name);
        trace.ended(name);
        let client = &*job.envelope.address.client;
        tracing::info!(%chat_id, client, attempt, outcome = name, seconds, "job");
        metrics.in_flight.dec();
        self.status.leave();
        decision
    }

    /// Decides, stores, replies. An answer of the model and an error are results alike.
    async fn answer(
        &self,
        job: &Job<'_>,
        slot: SlotGuard,
        trace: &JobTrace,
    ) -> Result<(&'static str, AckDecision), JobError> {
        let envelope = &job.envelope;
        let in_flight = self.in_flight.enter(&envelope.address.key());
        let mut pipeline = Pipeline::new(Replies::new(&self.bus, envelope), in_flight.followers());
        let mut called = Called { began: None, trace };
        let decision = self
            .decide(job, slot, &mut pipeline, &in_flight, &mut called)
            .await;
        let began = called.began;
        let mut earlier = Earlier::Replaced;
        let decided_at = SystemTime::now();
        let (name, decision, result) = match decision {
            Ok(Decision::Answer(reply)) => {
                let result = ChatResult::answer(&reply)?;
                let stored = self.store(envelope, result);
                let (stored, ()) = tokio::join!(stored, self.remember(envelope, &reply));
                ("done", AckDecision::Ack, stored?)
            }
            Ok(Decision::Refused(reply, rule, view)) => {
                let mut result = ChatResult::answer(&reply)?;
                (result.facts.rule, result.facts.view) = (rule, view);
                (
                    "refused",
                    AckDecision::Ack,
                    self.store(envelope, result).await?,
                )
            }
            Ok(Decision::Stored(result)) => {
                earlier = Earlier::Kept;
                ("stored", AckDecision::Ack, result)
            }
            Err(error) => {
                let Some(code) = error.code() else {
                    return Err(error);
                };
                let reply = ErrorReply::of(code, error.to_string(), envelope.address.id);
                let result = ChatResult::error(
                    &reply
                        .at(error.stage())
                        .about(error.param())
                        .over(error.context()),
                )?;
                let result = self.store(envelope, result).await?;
                (error.name(), error.ack_decision(), result)
            }
        };
        pipeline.finish(&result).await?;
        self.log(job, &result, began, earlier);
        trace.replied(decided_at);
        let error = result.error.map(ErrorCode::name);
        self.status.ended(job.delivery.received.elapsed(), error);
        Ok((name, decision))
    }

    /// Writes the record of a request that has ended. It says how long it waited and took only if
    /// the model was called for it now.
    fn log(&self, job: &Job<'_>, result: &ChatResult, began: Option<Instant>, earlier: Earlier) {
        let (envelope, delivery) = (&job.envelope, job.delivery);
        let mut record = log::record(&envelope.address, envelope.attempt, result);
        if earlier == Earlier::Replaced {
            record.wait_seconds = Some(delivery.waited.as_secs_f64());
        }
        if began.is_some() {
            record.answer_seconds = Some(delivery.received.elapsed().as_secs_f64());
            let model = self.status.now().model;
            record.model = record.model.or_else(|| model.as_deref().map(str::to_owned));
        }
        self.bus.log(&envelope.address, &record, earlier);
    }

    /// Notes in `called` when the model is called, if it is.
    async fn decide(
        &self,
        job: &Job<'_>,
        slot: SlotGuard,
        pipeline: &mut Pipeline<'_>,
        in_flight: &InFlightGuard,
        called: &mut Called<'_>,
    ) -> Result<Decision, JobError> {
        let (bus, envelope) = (&self.bus, &job.envelope);
        if envelope.attempt > MAX_ATTEMPTS {
            // A worker that has answered it, and died then, has left no dead letter.
            if let Some(known) = retry(|| bus.find_result(&envelope.address)).await? {
                return Ok(Decision::Stored(known));
            }
            let reason = ErrorCode::TooManyAttempts;
            bus.bury(&envelope.address, job.delivery, reason).await;
            return Err(JobError::TooManyAttempts);
        }
        let generation = job.read()?;
        if !job.delivery.is_new()
            && let Some(known) = retry(|| bus.find_result(&envelope.address)).await?
        {
            return Ok(Decision::Stored(known));
        }
        pipeline.started(self.status.now().model.as_deref()).await?;
        let (began, began_at) = (*called.began.insert(Instant::now()), SystemTime::now());
        let ended = tokio::select! {
            biased;
            () = in_flight.cancelled() => Err(JobError::Cancelled),
            answered = timeout_at(generation.deadline, self.generate(envelope, &generation, slot, pipeline)) => {
                answered.unwrap_or(Err(JobError::DeadlineExceeded(Stage::Running)))
            }
        };
        match ended {
            Ok(reply) => {
                self.status.served(began.elapsed(), &reply);
                called.trace.generated(began_at, &reply);
                Ok(Decision::Answer(Box::new(reply)))
            }
            Err(JobError::AnswerRefused(refusal)) => {
                let wanted = generation.chat.refusal_message;
                let model = self.status.now().model;
                let (rule, view) = (refusal.rule.clone(), refusal.view.clone());
                let reply = refusal.into_reply(envelope.address.id, wanted, model.as_deref());
                Ok(Decision::Refused(Box::new(reply), rule, view))
            }
            Err(error) => Err(error),
        }
    }

    /// Has a filter remember the answer, before its client can send it back.
    async fn remember(&self, envelope: &Envelope, reply: &Reply) {
        let Some(answer) = AnswerCheck::of_answer(reply, &envelope.address.client) else {
            return;
        };
        if let Err(error) = self.bus.remember_answer(&answer).await {
            tracing::warn!(chat_id = %reply.id, %error, "no filter remembers the answer");
        }
    }

    /// Stores the result, as often as it takes while the lease lasts; returns the one that counts.
    async fn store(&self, envelope: &Envelope, result: ChatResult) -> Result<ChatResult, JobError> {
        let bus = &self.bus;
        let mut result = result;
        loop {
            match retry(|| bus.store_result(envelope, &result)).await {
                Ok(true) => return Ok(result),
                Ok(false) => {}
                Err(BusError::TooLarge) => {
                    let error = ModelError::Failed("its answer is too long to be sent");
                    let id = envelope.address.id;
                    let reply = ErrorReply::of(ErrorCode::ModelFailed, error.to_string(), id);
                    result = ChatResult::error(&reply)?;
                    continue;
                }
                Err(error) => return Err(error.into()),
            }
            if let Some(known) = retry(|| bus.find_result(&envelope.address)).await? {
                return Ok(known);
            }
            // A cluster refuses as soon as another's is on its way to the replicas. Or there was
            // one, and its hour has passed: then this is the result.
            sleep(SHORTEST_WAIT).await;
        }
    }
}

/// The call of the model for a job.
struct Called<'a> {
    /// When it began; `None` if there was none.
    began: Option<Instant>,
    trace: &'a JobTrace,
}

enum Decision {
    Answer(Box<Reply>),
    /// With the rule and the view, for the log.
    Refused(Box<Reply>, Option<String>, Option<String>),
    Stored(ChatResult),
}
