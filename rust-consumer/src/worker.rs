//! One job, from its delivery to its reply: the steps of `docs/protocol.md`, "The consumer".

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep, timeout_at};
use tokio_util::sync::CancellationToken;

use crate::answer::Answer;
use crate::approval::{self, Believed, Keys};
use crate::bus::Bus;
use crate::cancel::{Held, InHand};
use crate::chat;
use crate::control_tokens;
use crate::dead;
use crate::delivery::{Delivery, Settlement};
use crate::error::{BusError, ErrorCode, JobError, ModelError};
use crate::job::{Job, Ticket};
use crate::kept;
use crate::lease::Lease;
use crate::llama::{Completion, Llama};
use crate::messages::{ErrorReply, Reply, Stage};
use crate::metrics::Metrics;
use crate::outcome::{self, Outcome};
use crate::reply::Replies;
use crate::slot::Slot;
use crate::status::Status;

/// A message is worked on this often; the next delivery only answers that it was too often.
const MAX_ATTEMPTS: u64 = 3;
const SHORTEST_WAIT: Duration = Duration::from_millis(100);
const LONGEST_WAIT: Duration = Duration::from_secs(2);

/// What answers jobs, one after the other.
#[derive(Debug)]
pub struct Worker {
    /// The bus.
    pub bus: Bus,
    /// The filter's keys; `None` where approvals are not checked.
    pub approvals: Option<Keys>,
    /// The model.
    pub llama: Llama,
    /// How long a job is held while llama.cpp is away.
    pub llama_gone: Duration,
    /// What the service knows of itself.
    pub status: Status,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// The requests in hand, that a cancellation may stop.
    pub in_hand: InHand,
    /// No time is left: the job in hand is given back.
    pub abandon: CancellationToken,
    /// The model's slot.
    pub slot: Slot,
}

impl Worker {
    /// Verifies a delivery before anything of it is believed. A forged one is counted and logged; nothing is said
    /// or stored, as the place to answer may be the attack.
    ///
    /// # Errors
    /// [`JobError::Forged`].
    pub fn believe<'a>(&self, delivery: &'a Delivery) -> Result<Believed<'a>, JobError> {
        approval::believe(self.approvals.as_ref(), delivery).map_err(|forgery| {
            let chat_id = delivery.subject.rsplit('.').next().unwrap_or_default();
            tracing::error!(chat_id, subject = %delivery.subject, reason = %forgery, "an approval is not the filter's");
            let error = JobError::from(forgery);
            self.metrics.ended(error.name());
            error
        })
    }

    /// Answers one job; returns how its message is to be settled. `decided` is told once the model is not
    /// needed for it any more: what is left is to store and say the outcome.
    pub async fn handle(
        &mut self,
        delivery: &Believed<'_>,
        lease: Duration,
        decided: &Notify,
    ) -> Settlement {
        let metrics = Arc::clone(&self.metrics);
        metrics.in_flight.inc();
        self.status.took_up();
        if delivery.attempt > 1 {
            metrics.redeliveries.inc();
        }
        let settlement = self.settle_up(delivery, lease, decided).await;
        metrics.in_flight.dec();
        self.status.put_down();
        settlement
    }

    async fn settle_up(
        &mut self,
        delivery: &Delivery,
        length: Duration,
        decided: &Notify,
    ) -> Settlement {
        let ticket = match Ticket::read(delivery) {
            Ok(ticket) => ticket,
            Err(error) => {
                tracing::warn!(subject = %delivery.subject, reason = error.name(), "nobody to answer");
                self.metrics.ended(error.name());
                return error.settlement();
            }
        };
        let chat_id = ticket.request.id;
        let bus = self.bus.clone();
        let abandon = self.abandon.clone();
        let lease = Lease::new(&bus, delivery, length);
        let ended = tokio::select! {
            biased;
            ended = lease.keep(self.answer(&ticket, delivery, decided)) => ended,
            () = abandon.cancelled() => Err(JobError::Stopping),
        };
        let seconds = delivery.received.elapsed().as_secs_f64();
        let (name, settlement) = match ended {
            Ok((name, settlement)) => {
                self.metrics.service_seconds.observe(seconds);
                (name, settlement)
            }
            Err(error) => {
                tracing::warn!(%chat_id, attempt = ticket.attempt, %error, "the job is given back");
                (error.name(), error.settlement())
            }
        };
        self.metrics.ended(name);
        tracing::info!(%chat_id, client = ticket.request.client, attempt = ticket.attempt, outcome = name, seconds, "job");
        settlement
    }

    /// Decides, stores, replies. What the model said and what went wrong are outcomes alike.
    async fn answer(
        &mut self,
        ticket: &Ticket,
        delivery: &Delivery,
        decided: &Notify,
    ) -> Result<(&'static str, Settlement), JobError> {
        let bus = self.bus.clone();
        let mut replies = Replies::new(&bus, ticket);
        let held = self.in_hand.hold(&ticket.request);
        let decision = self.decide(ticket, delivery, &mut replies, &held).await;
        decided.notify_one();
        let (name, settlement, outcome) = match decision {
            Ok(Decision::Answered(reply)) => {
                let outcome = Outcome::answer(&reply)?;
                ("done", Settlement::Ack, self.record(ticket, outcome).await?)
            }
            Ok(Decision::Known(outcome)) => ("stored", Settlement::Ack, outcome),
            Err(error) => {
                let Some(code) = error.code() else {
                    return Err(error);
                };
                let told = ErrorReply::of(code, error.to_string(), ticket.request.id);
                let outcome = Outcome::error(&told.at(error.stage()).about(error.param()))?;
                let outcome = self.record(ticket, outcome).await?;
                (error.name(), error.settlement(), outcome)
            }
        };
        replies.finish(&outcome).await?;
        let error = outcome.error.map(ErrorCode::name);
        self.status.ended(delivery.received.elapsed(), error);
        Ok((name, settlement))
    }

    async fn decide(
        &mut self,
        ticket: &Ticket,
        delivery: &Delivery,
        replies: &mut Replies<'_>,
        held: &Held,
    ) -> Result<Decision, JobError> {
        let bus = &self.bus;
        if ticket.attempt > MAX_ATTEMPTS {
            // Whoever has answered it and died then has not left a dead letter.
            if let Some(known) = kept::insist(|| outcome::find(bus, ticket)).await? {
                return Ok(Decision::Known(known));
            }
            dead::lay_aside(bus, delivery, ErrorCode::TooManyAttempts).await;
            return Err(JobError::TooManyAttempts);
        }
        let job = Job::read(ticket, delivery)?;
        if let Some(known) = kept::insist(|| outcome::find(bus, ticket)).await? {
            return Ok(Decision::Known(known));
        }
        replies.started(self.status.now().model.as_deref()).await?;
        let began = Instant::now();
        let reply = tokio::select! {
            biased;
            () = held.cancelled() => Err(JobError::Cancelled),
            answered = timeout_at(job.deadline, self.generate(ticket, &job, replies)) => {
                answered.unwrap_or(Err(JobError::DeadlineExceeded(Stage::Running)))
            }
        }?;
        self.status.served(began.elapsed(), &reply);
        Ok(Decision::Answered(Box::new(reply)))
    }

    /// Stores the outcome, as often as it takes while the job is held; returns the one that counts.
    async fn record(&self, ticket: &Ticket, outcome: Outcome) -> Result<Outcome, JobError> {
        let bus = &self.bus;
        let mut outcome = outcome;
        loop {
            match kept::insist(|| outcome::store(bus, ticket, &outcome)).await {
                Ok(true) => return Ok(outcome),
                Ok(false) => {}
                Err(BusError::TooLarge) => {
                    let error = ModelError::Failed("its answer is too long to be sent");
                    let id = ticket.request.id;
                    let told = ErrorReply::of(ErrorCode::ModelFailed, error.to_string(), id);
                    outcome = Outcome::error(&told)?;
                    continue;
                }
                Err(error) => return Err(error.into()),
            }
            if let Some(known) = kept::insist(|| outcome::find(bus, ticket)).await? {
                return Ok(known);
            }
            // A cluster refuses as soon as another's is on its way to the replicas. Or it was there and is not
            // any more: its hour has passed. Ours is the outcome then.
            sleep(SHORTEST_WAIT).await;
        }
    }

    /// Calls llama.cpp until it answers, or has been away for too long.
    async fn generate(
        &mut self,
        ticket: &Ticket,
        job: &Job,
        replies: &mut Replies<'_>,
    ) -> Result<Reply, JobError> {
        let request = chat::completion_request(&job.chat, ticket.request.id)?;
        let mut gone = None;
        let mut wait = SHORTEST_WAIT;
        loop {
            let ended = match Box::pin(control_tokens::check(&self.llama, &job.chat)).await {
                Ok(()) => self.call(ticket, request.clone(), replies).await,
                Err(error) => Err(error),
            };
            match ended {
                Err(JobError::Model(error @ (ModelError::NotThere(_) | ModelError::WrongKey)))
                    if Instant::now() + wait
                        < *gone.get_or_insert_with(|| Instant::now() + self.llama_gone) =>
                {
                    tracing::warn!(chat_id = %ticket.request.id, %error, "llama.cpp is away, trying again");
                    self.status.missed_llama();
                    sleep(wait).await;
                    wait = (wait * 2).min(LONGEST_WAIT);
                }
                ended => return ended,
            }
        }
    }

    async fn call(
        &mut self,
        ticket: &Ticket,
        request: Bytes,
        replies: &mut Replies<'_>,
    ) -> Result<Reply, JobError> {
        if self.slot.unsure || ticket.attempt > 1 {
            self.slot.freed(Duration::ZERO).await?;
        }
        let began = Instant::now();
        self.slot.unsure = true; // Until the call has ended well: it may be dropped anywhere below.
        let mut completion = match self.llama.complete(request).await {
            Ok(completion) => completion,
            // What hangs is started again, and has done nothing for this request.
            Err(ModelError::Failed(_)) if self.status.now().is_stuck() => {
                return Err(ModelError::NotThere("it hangs").into());
            }
            Err(error) => {
                self.slot.unsure = !matches!(error, ModelError::ContextExceeded);
                return Err(error.into());
            }
        };
        let mut answer = Answer::default();
        let mut has_text = false;
        while !answer.has_told_all() {
            let events = match hear(&mut completion, replies).await {
                Ok(Some(events)) => events,
                Ok(None) => break,
                // All its text is here; only the counts are missing.
                Err(JobError::Model(_)) if answer.is_finished() => break,
                Err(error) => return Err(error),
            };
            for data in events {
                if let Some(piece) = answer.push(&data)? {
                    if !std::mem::replace(&mut has_text, true) {
                        let seconds = began.elapsed().as_secs_f64();
                        self.metrics.first_token_seconds.observe(seconds);
                    }
                    replies.token(piece).await?;
                }
            }
        }
        replies.gathered().await?;
        completion.close().await;
        self.metrics
            .tokens
            .inc_by(answer.completion_tokens().unwrap_or_default());
        let reply = answer.into_reply(ticket.request.id)?;
        self.slot.unsure = false;
        Ok(reply)
    }
}

/// Waits for what the model writes next, and tells meanwhile what is gathered when its time has come.
async fn hear(
    completion: &mut Completion,
    replies: &mut Replies<'_>,
) -> Result<Option<Vec<Vec<u8>>>, JobError> {
    let mut next = pin!(completion.next());
    loop {
        tokio::select! {
            biased;
            events = &mut next => return Ok(events?),
            () = replies.due() => replies.gathered().await?,
        }
    }
}

enum Decision {
    Answered(Box<Reply>),
    Known(Outcome),
}
