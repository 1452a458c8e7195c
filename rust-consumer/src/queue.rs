//! Takes the next job off the stream: whose turn it is, and from which durable consumer.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_nats::Subscriber;
use async_nats::jetstream::consumer::PullConsumer;
use bytes::Bytes;
use futures_util::StreamExt;
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::approval::Believed;
use crate::bus::Bus;
use crate::cancel::InHand;
use crate::delivery::Delivery;
use crate::error::BusError;
use crate::fair::Turns;
use crate::status::Status;
use crate::subjects::{APPROVED_PREFIX, Approved, CANCELLED, Line, STARTED, STARTED_PREFIX, WAKE};

/// Who sleeps looks by itself after this long: a job that was given back wakes nobody.
const LOOK: Duration = Duration::from_secs(1);
/// Past so many lines, the consumers of those that have nothing in the stream are not kept.
const KEPT_CONSUMERS: usize = 512;

/// The queue as this process sees it, shared by its workers; cheap to clone.
#[derive(Debug, Clone)]
pub struct Queue {
    bus: Bus,
    status: Status,
    turns: Arc<Mutex<Turns>>,
    consumers: Arc<Mutex<HashMap<Line, PullConsumer>>>,
    wake: watch::Sender<()>,
}

/// A worker's sleep until there may be something to do.
#[derive(Debug)]
pub struct Sleep(watch::Receiver<()>);

impl Queue {
    /// A queue of which nothing was heard yet.
    #[must_use]
    pub fn new(bus: Bus, status: Status) -> Self {
        Self {
            bus,
            status,
            turns: Arc::default(),
            consumers: Arc::default(),
            wake: watch::Sender::new(()),
        }
    }

    /// A sleep that ends with any approval after its last end.
    #[must_use]
    pub fn sleep(&self) -> Sleep {
        Sleep(self.wake.subscribe())
    }

    /// Asks who has requests in the stream; returns their lines in the order in which they are to be tried.
    ///
    /// # Errors
    /// [`BusError`]: the bus or the stream is away.
    pub async fn look(&self) -> Result<Vec<Line>, BusError> {
        let waiting = self.bus.waiting().await?;
        self.status.set_bound(true);
        Ok(locked(&self.turns).order(waiting))
    }

    /// Takes the first job that is to be had; `None` where all that is there is in somebody's hand.
    ///
    /// # Errors
    /// [`BusError`]: the bus or the stream is away.
    pub async fn take(&self, lines: &[Line]) -> Result<Option<Delivery>, BusError> {
        for line in lines {
            if let Some(delivery) = self.pull(line).await? {
                if let Some((_, id)) = Line::parse(APPROVED_PREFIX, &delivery.subject) {
                    locked(&self.turns).started(line, id);
                }
                return Ok(Some(delivery));
            }
        }
        let mut consumers = locked(&self.consumers);
        if consumers.len() > KEPT_CONSUMERS {
            consumers.retain(|line, _| lines.contains(line));
        }
        Ok(None)
    }

    /// A consumer that was forgotten meanwhile is made anew.
    async fn pull(&self, line: &Line) -> Result<Option<Delivery>, BusError> {
        let known = locked(&self.consumers).get(line).cloned();
        if let Some(consumer) = known {
            match self.bus.pull(&consumer).await {
                // A pull that was not answered may have been given a job: its lease has to end first.
                Err(BusError::Refused(_)) => drop(locked(&self.consumers).remove(line)),
                pulled => return pulled,
            }
        }
        let consumer = self.bus.consumer(line).await?;
        let pulled = self.bus.pull(&consumer).await?;
        locked(&self.consumers).insert(line.clone(), consumer);
        Ok(pulled)
    }

    /// Tells the other workers and the filters whose turn it was. What is lost of this costs a little fairness.
    pub async fn tell_started(&self, delivery: &Believed<'_>) {
        let Some((line, id)) = Line::parse(APPROVED_PREFIX, &delivery.subject) else {
            return;
        };
        let told = self
            .bus
            .publish(line.started(id).into(), None, Bytes::new());
        if let Err(error) = told.await {
            tracing::warn!(%error, "a start was not told");
        }
    }
}

impl Sleep {
    /// Sleeps until a request is approved, or was since the last time, but no longer than a second.
    pub async fn until_woken(&mut self, stop: &CancellationToken) {
        tokio::select! {
            // Whichever it is, the stream is looked at again.
            _ = timeout(LOOK, self.0.changed()) => {}
            () = stop.cancelled() => {}
        }
    }
}

/// What the workers of all processes and the filters tell.
#[derive(Debug)]
pub struct Events {
    woken: Subscriber,
    started: Subscriber,
    cancelled: Subscriber,
}

impl Events {
    /// Listens; before the first job is taken, so that no cancellation of it is missed.
    ///
    /// # Errors
    /// [`BusError`]: the client takes nothing.
    pub async fn subscribe(bus: &Bus) -> Result<Self, BusError> {
        Ok(Self {
            woken: bus.subscribe(WAKE).await?,
            started: bus.subscribe(STARTED).await?,
            cancelled: bus.subscribe(CANCELLED).await?,
        })
    }

    /// Hands on what is told until `stop`.
    pub async fn hand_on(mut self, queue: Queue, in_hand: InHand, stop: CancellationToken) {
        loop {
            tokio::select! {
                Some(_) = self.woken.next() => queue.wake.send_replace(()),
                Some(message) = self.started.next() => {
                    if let Some((line, id)) = Line::parse(STARTED_PREFIX, &message.subject) {
                        locked(&queue.turns).started(&line, id);
                    }
                }
                Some(message) = self.cancelled.next() => {
                    if let Some(request) = Approved::parse_cancelled(&message.subject) {
                        in_hand.cancel(&request);
                    }
                }
                () = stop.cancelled() => return,
                else => return,
            }
        }
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
