//! The loop of a worker: take one job, answer it, settle it, again.

use std::pin::pin;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::bus::Bus;
use crate::delivery::{Delivery, Settlement};
use crate::error::BusError;
use crate::jobs::LEASE;
use crate::queue::Queue;
use crate::source::Source;
use crate::worker::Worker;

const SHORTEST_WAIT: Duration = Duration::from_millis(100);
const LONGEST_WAIT: Duration = Duration::from_secs(2);

/// Answers jobs until `stop`; the job in hand is finished, and everything settled, before it returns.
///
/// Who is next is asked while the last one's outcome is stored and said, and the next job is pulled while the
/// acknowledgement is still on its way: the generation is over (DESIGN, decision 13).
pub async fn work(mut worker: Worker, queue: Queue, stop: CancellationToken) {
    let mut settling = JoinSet::new();
    let mut sleep = queue.sleep();
    let mut wait = SHORTEST_WAIT;
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
                wait = SHORTEST_WAIT;
                let settlement = if stop.is_cancelled() {
                    Settlement::Nak(Duration::ZERO)
                } else {
                    let settlement;
                    (settlement, ahead) = handle(&mut worker, &queue, &delivery).await;
                    settlement
                };
                settling.spawn(settle(worker.bus.clone(), delivery, settlement));
                while settling.try_join_next().is_some() {}
            }
            // Somebody may have come since then.
            Ok(None) if looked_before => {}
            Ok(None) => {
                wait = SHORTEST_WAIT;
                sleep.until_woken(&stop).await;
            }
            Err(error) => {
                tracing::warn!(%error, "no job can be pulled, trying again");
                worker.status.set_bound(false);
                sleep_unless(&stop, wait).await;
                wait = (wait * 2).min(LONGEST_WAIT);
            }
        }
    }
    settling.join_all().await;
}

/// Takes the next job of the sources that are known, or of those that a look at the stream gives.
async fn next(queue: &Queue, known: Option<Vec<Source>>) -> Result<Option<Delivery>, BusError> {
    let sources = match known {
        Some(sources) => sources,
        None => queue.look().await?,
    };
    queue.take(&sources).await
}

/// Handles one job, where it is one; returns how it is to be settled, and whose turn it will be, where there was time to ask.
async fn handle(
    worker: &mut Worker,
    queue: &Queue,
    delivery: &Delivery,
) -> (Settlement, Option<Vec<Source>>) {
    let delivery = match worker.believe(delivery) {
        Ok(believed) => believed,
        Err(error) => return (error.settlement(), None),
    };
    queue.tell_started(&delivery).await;
    let decided = Notify::new();
    let mut handled = pin!(worker.handle(&delivery, LEASE, &decided));
    let mut looked = pin!(async {
        decided.notified().await;
        queue.look().await.ok()
    });
    let mut ahead = None;
    let mut has_looked = false;
    loop {
        tokio::select! {
            biased;
            settlement = &mut handled => return (settlement, ahead),
            sources = &mut looked, if !has_looked => (ahead, has_looked) = (sources, true),
        }
    }
}

async fn sleep_unless(stop: &CancellationToken, time: Duration) {
    // Slept or stopped, the loop looks which.
    let _ = timeout(time, stop.cancelled()).await;
}

async fn settle(bus: Bus, delivery: Delivery, settlement: Settlement) {
    if let Err(error) = bus.settle(&delivery, settlement).await {
        // It will be delivered again, and answered with what is stored.
        tracing::warn!(subject = %delivery.subject, %error, "a job was not settled");
        return;
    }
    if settlement.is_end()
        && let Some((Source { line, .. }, id)) = Source::parse(&delivery.subject)
        && let Err(error) = bus
            .publish(line.finished(id).into(), None, Bytes::new())
            .await
    {
        tracing::warn!(%error, "an end was not told");
    }
}

/// Waits until llama.cpp can be asked: the jobs stay meanwhile, where another worker finds them. Where llama.cpp is
/// away for too long, the jobs are taken and told so. Returns whether the next one may be taken.
async fn is_free(worker: &mut Worker, stop: &CancellationToken) -> bool {
    let mut state = worker.status.subscribe();
    let free = async {
        if worker.slot.freed(worker.llama_gone).await.is_err() {
            tracing::warn!("llama.cpp is not there");
            return;
        }
        // It is a moment until its model's name is known, which some jobs ask for.
        let seen = state.wait_for(|state| state.llama_seen.is_some());
        let _ = timeout(worker.llama_gone, seen).await;
    };
    stop.run_until_cancelled(free).await.is_some()
}
