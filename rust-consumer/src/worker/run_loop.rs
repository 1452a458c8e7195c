//! The loop of a worker: take one job, answer it, acknowledge it, again.

use std::panic::resume_unwind;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::Mutex;
use tokio::task::{JoinError, JoinSet};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::{SlotGuard, Worker};
use crate::bus::Bus;
use crate::bus::jobs::{AckDecision, Delivery, LEASE};
use crate::bus::retry::{Backoff, SHORTEST_WAIT};
use crate::contract::address::Address;
use crate::llama::slot::Slot;
use crate::schedule::queue::Queue;

/// A worker takes no job while it has more than this many whose result is not acknowledged yet.
const MAX_UNACKNOWLEDGED: usize = 1;

/// Answers jobs until `stop`; the job in flight is finished, and everything acknowledged, before it
/// returns.
///
/// The next job is pulled as soon as the model has ended an answer, while the result of that is
/// still being stored and sent.
pub async fn run_loop(worker: Arc<Worker>, slot: Slot, queue: Queue, stop: CancellationToken) {
    let slot = Arc::new(Mutex::new(slot));
    let mut jobs = JoinSet::new();
    let mut sleep = queue.sleep();
    let mut backoff = Backoff::default();
    let mut last = None;
    while !stop.is_cancelled() {
        if !worker.bus.is_connected() {
            // A pull that waits to be sent would be answered when nobody listens to it any more.
            sleep_unless(&stop, SHORTEST_WAIT).await;
            continue;
        }
        let Some(mut slot) = take_slot(&slot, &mut jobs, &queue, &stop).await else {
            continue;
        };
        if let Some(last) = last.take() {
            queue.left(&last);
        }
        if slot.unsure && !is_free(&worker, &mut slot, &stop).await {
            continue;
        }
        match queue.next().await {
            Ok(Some(delivery)) if stop.is_cancelled() => {
                let worker = Arc::clone(&worker);
                let back = AckDecision::Nak(Duration::ZERO);
                jobs.spawn(async move { acknowledge(&worker.bus, &delivery, back).await });
            }
            Ok(Some(delivery)) => {
                backoff = Backoff::default();
                last = delivery.address.as_ref().map(Address::key);
                jobs.spawn(answer(Arc::clone(&worker), queue.clone(), delivery, slot));
            }
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
    while let Some(ended) = jobs.join_next().await {
        resume_panic(ended);
    }
}

/// Waits until the model is free for the next job, and keeps the view of the queue current
/// meanwhile; `None` at a stop.
async fn take_slot(
    slot: &Arc<Mutex<Slot>>,
    jobs: &mut JoinSet<()>,
    queue: &Queue,
    stop: &CancellationToken,
) -> Option<SlotGuard> {
    let free = async {
        let slot = Arc::clone(slot).lock_owned().await;
        while let Some(ended) = jobs.try_join_next() {
            resume_panic(ended);
        }
        while jobs.len() > MAX_UNACKNOWLEDGED
            && let Some(ended) = jobs.join_next().await
        {
            resume_panic(ended);
        }
        slot
    };
    tokio::select! {
        biased;
        slot = free => Some(slot),
        () = stop.cancelled() => None,
        never = queue.look_ahead() => match never {},
    }
}

/// Answers one job and acknowledges it. `slot` is dropped once the model is not needed for it.
async fn answer(worker: Arc<Worker>, queue: Queue, delivery: Delivery, slot: SlotGuard) {
    let decision = match worker.verify(&delivery) {
        Ok(job) => {
            queue.publish_start(&job.envelope.address).await;
            Box::pin(worker.handle(&job, LEASE, slot)).await
        }
        Err(decision) => {
            drop(slot);
            decision
        }
    };
    acknowledge(&worker.bus, &delivery, decision).await;
}

/// A job that panicked takes the service down, which is started again.
fn resume_panic(ended: Result<(), JoinError>) {
    if let Err(error) = ended
        && let Ok(panic) = error.try_into_panic()
    {
        resume_unwind(panic);
    }
}

async fn sleep_unless(stop: &CancellationToken, time: Duration) {
    // Slept or stopped: the loop looks which.
    let _ = timeout(time, stop.cancelled()).await;
}

async fn acknowledge(bus: &Bus, delivery: &Delivery, decision: AckDecision) {
    if let Err(error) = bus.acknowledge(delivery, decision).await {
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
async fn is_free(worker: &Worker, slot: &mut Slot, stop: &CancellationToken) -> bool {
    let mut state = worker.status.subscribe();
    let free = async {
        if slot.freed(worker.llama_gone).await.is_err() {
            tracing::warn!("llama.cpp is not there");
            return;
        }
        // It takes a moment until its model's name is known, and some jobs name a model.
        let seen = state.wait_for(|state| state.llama_seen.is_some());
        let _ = timeout(worker.llama_gone, seen).await;
    };
    stop.run_until_cancelled(free).await.is_some()
}
