//! The loop of a worker: take one job, answer it, acknowledge it, again.

use std::pin::pin;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::Worker;
use crate::bus::Bus;
use crate::bus::jobs::{AckDecision, Delivery, LEASE};
use crate::bus::retry::{Backoff, SHORTEST_WAIT};
use crate::contract::address::Durable;
use crate::error::BusError;
use crate::schedule::queue::Queue;

/// Answers jobs until `stop`; the job in flight is finished, and everything acknowledged, before it
/// returns.
///
/// The queue is looked at while the last job's result is stored and sent, and the next job is
/// pulled while the acknowledgement is still on its way: the generation is over.
pub async fn run_loop(mut worker: Worker, queue: Queue, stop: CancellationToken) {
    let mut acknowledging = JoinSet::new();
    let mut sleep = queue.sleep();
    let mut backoff = Backoff::default();
    let mut ahead = None;
    while !stop.is_cancelled() {
        if !worker.bus.is_connected() {
            // A pull that waits to be sent would be answered when nobody listens to it any more.
            sleep_unless(&stop, SHORTEST_WAIT).await;
            continue;
        }
        if worker.slot.unsure && !is_free(&mut worker, &stop).await {
            continue;
        }
        let known = ahead.take();
        let looked_before = known.is_some();
        match next(&queue, known).await {
            Ok(Some(delivery)) => {
                backoff = Backoff::default();
                let decision = if stop.is_cancelled() {
                    AckDecision::Nak(Duration::ZERO)
                } else {
                    let decision;
                    (decision, ahead) = Box::pin(handle(&mut worker, &queue, &delivery)).await;
                    decision
                };
                acknowledging.spawn(acknowledge(worker.bus.clone(), delivery, decision));
                while acknowledging.try_join_next().is_some() {}
            }
            // A request may have come since then.
            Ok(None) if looked_before => {}
            Ok(None) => {
                backoff = Backoff::default();
                sleep.until_woken(&stop).await;
            }
            Err(error) => {
                tracing::warn!(%error, "no job can be pulled, trying again");
                worker.status.set_bound(false);
                sleep_unless(&stop, backoff.next_wait()).await;
            }
        }
    }
    acknowledging.join_all().await;
}

/// Takes the next job of the durables that are known, or of those that a look at the stream gives.
async fn next(queue: &Queue, known: Option<Vec<Durable>>) -> Result<Option<Delivery>, BusError> {
    let durables = match known {
        Some(durables) => durables,
        None => queue.look().await?,
    };
    queue.take(&durables).await
}

/// Handles one delivery; returns how it is acknowledged, and which durables are next, if there was
/// time to look.
async fn handle(
    worker: &mut Worker,
    queue: &Queue,
    delivery: &Delivery,
) -> (AckDecision, Option<Vec<Durable>>) {
    let job = match worker.verify(delivery) {
        Ok(job) => job,
        Err(decision) => return (decision, None),
    };
    queue.publish_start(&job.envelope.address).await;
    let decided = Notify::new();
    let mut handled = pin!(worker.handle(&job, LEASE, &decided));
    let mut looked = pin!(async {
        decided.notified().await;
        queue.look().await.ok()
    });
    let mut ahead = None;
    let mut has_looked = false;
    loop {
        tokio::select! {
            biased;
            decision = &mut handled => return (decision, ahead),
            durables = &mut looked, if !has_looked => (ahead, has_looked) = (durables, true),
        }
    }
}

async fn sleep_unless(stop: &CancellationToken, time: Duration) {
    // Slept or stopped: the loop looks which.
    let _ = timeout(time, stop.cancelled()).await;
}

async fn acknowledge(bus: Bus, delivery: Delivery, decision: AckDecision) {
    if let Err(error) = bus.acknowledge(&delivery, decision).await {
        // It will be delivered again, and answered with the stored result.
        tracing::warn!(subject = %delivery.subject, %error, "a job was not acknowledged");
        return;
    }
    if decision.is_end()
        && let Some(address) = &delivery.address
        && let Err(error) = bus
            .publish(address.finished().into(), None, Bytes::new())
            .await
    {
        tracing::warn!(chat_id = %address.id, %error, "the event of an end was lost");
    }
}

/// Waits until llama.cpp's slot is free: the jobs stay in the stream meanwhile, and another worker
/// can take them. If llama.cpp is away for too long, the jobs are taken, and end in an error.
/// Returns whether the next one may be taken.
async fn is_free(worker: &mut Worker, stop: &CancellationToken) -> bool {
    let mut state = worker.status.subscribe();
    let free = async {
        if worker.slot.freed(worker.llama_gone).await.is_err() {
            tracing::warn!("llama.cpp is not there");
            return;
        }
        // It takes a moment until its model's name is known, and some jobs name a model.
        let seen = state.wait_for(|state| state.llama_seen.is_some());
        let _ = timeout(worker.llama_gone, seen).await;
    };
    stop.run_until_cancelled(free).await.is_some()
}
