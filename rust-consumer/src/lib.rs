//! Stile's consumer: takes approved chat requests off a NATS stream, one at a time, has llama.cpp answer
//! them, and streams the answers to who asked.
//!
//! # Layout
//!
//! | module | what it is |
//! |---|---|
//! | [`config`] | settings: flags or environment variables |
//! | [`error`] | what can go wrong, as a tree, and what follows from it |
//! | [`subjects`], [`headers`], [`messages`] | the contract, as in `contracts/` |
//! | [`model`], [`source`] | a model's token; which requests a durable consumer hands out |
//! | [`object`] | JSON objects that are read from objects alone |
//! | [`approval`] | whether the filter has signed a request |
//! | [`delivery`], [`job`] | a message of the stream, and the approved request read off it |
//! | [`chat`], [`sse`], [`answer`] | pure: what is said to llama.cpp, and its answer put together |
//! | [`pieces`] | pure: a fast model's pieces gathered into fewer messages |
//! | [`llama`], [`key`], [`slot`] | llama.cpp's HTTP server; its key; waiting for its slot |
//! | [`control_tokens`] | whether a request holds text that the model takes for structure |
//! | [`fair`] | pure: whose turn it is |
//! | [`queue`], [`cancel`] | taking the next job; stopping one that is cancelled |
//! | [`bus`], [`tls`] | NATS: the connection |
//! | [`jobs`], [`lease`] | NATS: the stream of jobs, and the hold on one |
//! | [`kept`], [`outcome`], [`dead`] | NATS: what is written once; outcomes; dead letters |
//! | [`reply`] | NATS: what requesters hear |
//! | [`worker`] | one job, from its delivery to its reply |
//! | [`consumer`] | the loop around it |
//! | [`status`], [`monitor`], [`service`], [`health`], [`metrics`] | what the service knows and says of itself |
//!
//! [`run`] puts them together; `main` reads the settings and waits for signals.

#![forbid(unsafe_code)]

pub mod answer;
pub mod approval;
pub mod bus;
pub mod cancel;
pub mod chat;
pub mod config;
pub mod consumer;
pub mod control_tokens;
pub mod dead;
pub mod delivery;
pub mod error;
pub mod fair;
#[cfg(test)]
mod fuzzing;
pub mod headers;
pub mod health;
pub mod job;
pub mod jobs;
pub mod kept;
pub mod key;
pub mod lease;
pub mod llama;
pub mod messages;
pub mod metrics;
pub mod model;
pub mod monitor;
pub mod object;
pub mod outcome;
pub mod pieces;
pub mod queue;
pub mod reply;
pub mod service;
pub mod slot;
pub mod source;
pub mod sse;
pub mod status;
pub mod subjects;
pub mod tls;
pub mod worker;

use std::sync::Arc;

use time::OffsetDateTime;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::bus::Bus;
use crate::cancel::InHand;
use crate::config::Config;
use crate::error::RunError;
use crate::llama::Llama;
use crate::metrics::Metrics;
use crate::queue::{Events, Queue};
use crate::service::{Identity, Questions};
use crate::slot::Slot;
use crate::status::Status;
use crate::worker::Worker;

/// Serves until `shutdown` is ready; then the jobs in hand are finished or given back.
///
/// A bus or a llama.cpp that is away is waited for, at the start and at any time after.
///
/// # Errors
/// [`RunError`]: it could not start, or one of its tasks ended by itself.
pub async fn run(config: Config, shutdown: impl Future<Output = ()>) -> Result<(), RunError> {
    config.nats_tls.check()?;
    let address = (config.host, config.port);
    let listener = TcpListener::bind(address).await;
    let listener = listener.map_err(|source| RunError::Listen {
        address: format!("{}:{}", config.host, config.port),
        source,
    })?;
    if config.approval_keys.is_none() {
        tracing::warn!("STILE_APPROVAL_KEYS is not set: approvals are not checked");
    }
    let llama = Llama::new(&config.llama_url, config.llama_key.get()?.as_ref())?;
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
    let queue = Queue::new(bus.clone(), status.clone());
    let in_hand = InHand::default();

    let (stop, abandon, leave) = (
        CancellationToken::new(),
        CancellationToken::new(),
        CancellationToken::new(),
    );
    let mut workers = JoinSet::new();
    for _ in 0..config.concurrency {
        let worker = Worker {
            bus: bus.clone(),
            approvals: config.approval_keys.clone(),
            llama: llama.clone(),
            llama_gone: config.llama_gone,
            status: status.clone(),
            metrics: Arc::clone(&metrics),
            in_hand: in_hand.clone(),
            abandon: abandon.clone(),
            slot: Slot::new(llama.clone(), status.clone(), config.slot),
        };
        workers.spawn(consumer::work(worker, queue.clone(), stop.clone()));
    }
    let mut companions = JoinSet::new();
    companions.spawn(nothing_fails(events.hand_on(queue, in_hand, leave.clone())));
    companions.spawn(health::serve(
        listener,
        status.clone(),
        metrics,
        leave.clone(),
    ));
    companions.spawn(nothing_fails(monitor::watch(
        llama,
        config.slot,
        status.clone(),
        leave.clone(),
    )));
    companions.spawn(nothing_fails(monitor::beat(
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
    tracing::info!("stopped");
    ended
}

async fn nothing_fails(task: impl Future<Output = ()>) -> std::io::Result<()> {
    task.await;
    Ok(())
}
