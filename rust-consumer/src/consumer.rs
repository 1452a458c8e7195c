//! The loop of a worker: pull one job, answer it, settle it, again.

use std::time::Duration;

use async_nats::jetstream::consumer::PullConsumer;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::bus::{Bus, Delivery, Settlement};
use crate::error::BusError;
use crate::worker::Worker;

const SHORTEST_WAIT: Duration = Duration::from_millis(100);
const LONGEST_WAIT: Duration = Duration::from_secs(2);
/// The server's own, where a consumer names none.
const DEFAULT_ACK_WAIT: Duration = Duration::from_secs(30);

/// Answers jobs until `stop`; the job in hand is finished, and everything settled, before it returns.
///
/// The next job is pulled while the last one's acknowledgement is still on its way: its generation is over.
pub async fn work(mut worker: Worker, stop: CancellationToken) {
    wait_for_model(&worker, &stop).await;
    let mut settling = JoinSet::new();
    let mut consumer: Option<PullConsumer> = None;
    let mut wait = SHORTEST_WAIT;
    while !stop.is_cancelled() {
        match next(&worker, &mut consumer).await {
            Ok(Some((delivery, lease))) => {
                wait = SHORTEST_WAIT;
                let settlement = if stop.is_cancelled() {
                    Settlement::Nak(Duration::ZERO)
                } else {
                    worker.handle(&delivery, lease).await
                };
                settling.spawn(settle(worker.bus.clone(), delivery, settlement));
                while settling.try_join_next().is_some() {}
            }
            Ok(None) => wait = SHORTEST_WAIT,
            Err(error) => {
                tracing::warn!(%error, "no job can be pulled, trying again");
                consumer = None;
                worker.status.set_bound(false);
                let _ = timeout(wait, stop.cancelled()).await;
                wait = (wait * 2).min(LONGEST_WAIT);
            }
        }
    }
    settling.join_all().await;
}

async fn next(
    worker: &Worker,
    consumer: &mut Option<PullConsumer>,
) -> Result<Option<(Delivery, Duration)>, BusError> {
    if !worker.bus.is_connected() {
        // A pull that waits to be sent would be answered when nobody listens to it any more.
        sleep(SHORTEST_WAIT).await;
        return Ok(None);
    }
    let bound = if let Some(bound) = consumer {
        bound
    } else {
        let found = worker.bus.consumer().await?;
        tracing::info!("found the stream's consumer");
        worker.status.set_bound(true);
        consumer.insert(found)
    };
    let ack_wait = bound.cached_info().config.ack_wait;
    let lease = if ack_wait.is_zero() {
        DEFAULT_ACK_WAIT
    } else {
        ack_wait
    };
    let delivery = worker.bus.pull(bound).await?;
    Ok(delivery.map(|delivery| (delivery, lease)))
}

async fn settle(bus: Bus, delivery: Delivery, settlement: Settlement) {
    if let Err(error) = bus.settle(&delivery, settlement).await {
        // It will be delivered again, and answered with what is stored.
        tracing::warn!(subject = %delivery.subject, %error, "a job was not settled");
    }
}

/// Before its first job a worker gives llama.cpp the time to load; jobs meanwhile wait in the stream.
async fn wait_for_model(worker: &Worker, stop: &CancellationToken) {
    let mut state = worker.status.subscribe();
    tokio::select! {
        _ = state.wait_for(|state| state.llama_seen.is_some()) => {}
        () = sleep(worker.llama_gone) => tracing::warn!("llama.cpp is not there yet"),
        () = stop.cancelled() => {}
    }
}
