//! Stile's consumer: takes approved chat requests off a NATS stream, one at a time, has llama.cpp
//! answer them, and streams the answers to their requesters.
//!
//! # Layout
//!
//! The major components are:
//!
//! * [`worker`]: answers one job at a time. A delivery is verified ([`worker::approval`]) and read ([`worker::job`]);
//!   the answer goes through the [`worker::pipeline`]; [`worker::run_loop`] is the loop around it.
//!
//! * [`schedule`]: which job is next. [`schedule::order`] is the service order, pure; [`schedule::queue`] takes the
//!   next job off the stream; [`schedule::in_flight`] stops a job that is cancelled.
//!
//! * [`bus`]: NATS. The connection, and in a module each the stream of jobs, results, replies, checks of answers, the
//!   log of what happened, and dead letters.
//!
//! * [`llama`]: llama.cpp's HTTP server. The request, the events of its stream, the answer that they add up to, the
//!   server's slot, key and properties, and the search for control tokens.
//!
//! * [`contract`]: names and messages on the bus, as in `contracts/`. The subject of a request is parsed in
//!   [`contract::address`] alone, when its message comes in.
//!
//! * [`ops`]: what the service knows of its state, and how others learn it: heartbeats, health, metrics, traces,
//!   `nats micro`.
//!
//! * [`config`]: settings, from flags or environment variables. [`error`]: what can go wrong, as a tree, and what
//!   follows from it.
//!
//! [`run`] puts them together; `main` reads the settings and waits for signals.

#![forbid(unsafe_code)]

pub mod bus;
pub mod config;
pub mod contract;
pub mod error;
#[cfg(test)]
mod fuzzing;
pub mod llama;
pub mod ops;
pub mod schedule;
pub mod worker;

use std::sync::Arc;
use std::time::SystemTime;

use time::OffsetDateTime;
use tokio::net::TcpListener;
use tokio::task::{JoinSet, spawn_blocking};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::bus::Bus;
use crate::config::Config;
use crate::error::RunError;
use crate::llama::Llama;
use crate::llama::slot::Slot;
use crate::ops::metrics::Metrics;
use crate::ops::service::{Identity, Questions};
use crate::ops::status::Status;
use crate::ops::traces::Traces;
use crate::ops::{health, heartbeat, llama_watch};
use crate::schedule::in_flight::InFlight;
use crate::schedule::queue::{Events, Queue};
use crate::worker::Worker;
use crate::worker::run_loop::run_loop;

/// Serves until `shutdown` is ready; then the jobs in flight are finished or given back.
///
/// If the bus or llama.cpp is away, at the start or at any time after, it is waited for.
///
/// # Errors
/// [`RunError`]: it could not start, or one of its tasks ended by itself.
pub async fn run(config: Config, shutdown: impl Future<Output = ()>) -> Result<(), RunError> {
    config.nats_tls.check()?;
    let listener = listen(&config).await?;
    if config.approval_keys.is_none() {
        tracing::warn!("STILE_APPROVAL_KEYS is not set: approvals are not checked");
    }
    let llama = Llama::new(&config.llama_url, config.llama_key.get()?.as_ref())?;
    let traces = Traces::from_environment()?;
    let status = Status::default();
    let metrics = Arc::new(Metrics::default());
    let bus = Bus::connect(&config, status.clone()).await?;
    let events = Events::subscribe(&bus).await?;
    let identity = Identity {
        instance: Uuid::new_v4().simple().to_string(),
        concurrency: config.concurrency,
        started: OffsetDateTime::now_utc(),
    };
    let questions = Questions::subscribe(&bus, identity.clone()).await?;
    let queue = Queue::new(bus.clone(), status.clone(), SystemTime::now);
    let in_flight = InFlight::default();

    let (stop, abandon, leave) = (
        CancellationToken::new(),
        CancellationToken::new(),
        CancellationToken::new(),
    );
    let mut workers = JoinSet::new();
    for _ in 0..config.concurrency {
        let worker = Arc::new(Worker {
            bus: bus.clone(),
            approvals: config.approval_keys.clone(),
            llama: llama.clone(),
            llama_gone: config.llama_gone,
            answer_check: config.answer_check,
            status: status.clone(),
            metrics: Arc::clone(&metrics),
            in_flight: in_flight.clone(),
            abandon: abandon.clone(),
            traces: traces.clone(),
        });
        let slot = Slot::new(llama.clone(), status.clone(), config.slot);
        workers.spawn(run_loop(worker, slot, queue.clone(), stop.clone()));
    }
    let mut companions = JoinSet::new();
    companions.spawn(nothing_fails(events.hand_on(
        queue,
        in_flight,
        leave.clone(),
    )));
    companions.spawn(health::serve(
        listener,
        status.clone(),
        metrics,
        leave.clone(),
    ));
    companions.spawn(nothing_fails(llama_watch::watch(
        llama,
        config.slot,
        status.clone(),
        leave.clone(),
    )));
    companions.spawn(nothing_fails(heartbeat::beat(
        bus.clone(),
        status.clone(),
        identity.instance,
        config.approval_keys.clone(),
        leave.clone(),
    )));
    companions.spawn(nothing_fails(questions.answer(
        bus.clone(),
        status.clone(),
        leave.clone(),
    )));

    let mut ended = tokio::select! {
        () = shutdown => Ok(()),
        Some(task) = workers.join_next() => Err(RunError::Task(format!("worker: {task:?}"))),
        Some(task) = companions.join_next() => Err(RunError::Task(format!("companion: {task:?}"))),
    };
    tracing::info!("stopping");
    status.set_stopping();
    stop.cancel();
    let finished = async { while workers.join_next().await.is_some() {} };
    tokio::select! {
        biased;
        () = finished => {}
        () = sleep(config.shutdown) => abandon.cancel(),
    }
    while let Some(task) = workers.join_next().await {
        ended = ended.and(task.map_err(|error| RunError::Task(error.to_string())));
    }
    leave.cancel();
    companions.join_all().await;
    bus.close().await;
    // It blocks while it sends the last ones.
    let sent = spawn_blocking(move || traces.close()).await;
    ended = ended.and(sent.map_err(|error| RunError::Task(error.to_string())));
    tracing::info!("stopped");
    ended
}

async fn listen(config: &Config) -> Result<TcpListener, RunError> {
    let listener = TcpListener::bind((config.host, config.port)).await;
    listener.map_err(|source| RunError::Listen {
        address: format!("{}:{}", config.host, config.port),
        source,
    })
}

async fn nothing_fails(task: impl Future<Output = ()>) -> std::io::Result<()> {
    task.await;
    Ok(())
}
