//! Takes the next job off the stream: by the service order, from a durable consumer.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use async_nats::Subscriber;
use async_nats::jetstream::consumer::PullConsumer;
use bytes::Bytes;
use futures_util::StreamExt;
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::in_flight::InFlight;
use super::order::{ServiceOrder, waiting_queues};
use crate::bus::Bus;
use crate::bus::jobs::Delivery;
use crate::contract::address::{Address, Durable, RequestKey};
use crate::contract::model::ModelToken;
use crate::contract::subjects::{CANCELLED, STARTED, WAKE};
use crate::error::BusError;
use crate::ops::clock;
use crate::ops::status::Status;

/// An idle worker looks by itself after this long: a job that was given back wakes nobody.
const LOOK: Duration = Duration::from_secs(1);
/// Beyond this many durables, those that have nothing in the stream are not kept.
const KEPT_DURABLES: usize = 512;

/// The queue as this process sees it, shared by its workers; cheap to clone.
#[derive(Debug, Clone)]
pub struct Queue {
    bus: Bus,
    status: Status,
    clock: fn() -> SystemTime,
    order: Arc<Mutex<ServiceOrder>>,
    durables: Arc<Mutex<HashMap<Durable, PullConsumer>>>,
    wake: watch::Sender<()>,
}

/// A worker's sleep until there may be something to do.
#[derive(Debug)]
pub struct Sleep(watch::Receiver<()>);

impl Queue {
    /// A queue of which nothing is known yet. `clock` is this machine's.
    #[must_use]
    pub fn new(bus: Bus, status: Status, clock: fn() -> SystemTime) -> Self {
        Self {
            bus,
            status,
            clock,
            order: Arc::default(),
            durables: Arc::default(),
            wake: watch::Sender::new(()),
        }
    }

    /// A sleep that ends with any approval after its last end.
    #[must_use]
    pub fn sleep(&self) -> Sleep {
        Sleep(self.wake.subscribe())
    }

    /// Looks at the stream; returns the durables of its requests in the order in which they are to
    /// be tried. Requests that name another model are left out, and those that name any until this
    /// model's name is known.
    ///
    /// While the queue is on hold there are none.
    ///
    /// While this machine's clock is off there are none either: deadlines are times of day, and it would
    /// end requests that have time left, or answer those that have none.
    ///
    /// # Errors
    /// [`BusError`]: the bus or the stream is away.
    pub async fn look(&self) -> Result<Vec<Durable>, BusError> {
        let asked = (self.clock)();
        let listing = self.bus.jobs().await?;
        let server_time = listing.server_time;
        let off = server_time.and_then(|time| clock::seconds_off(asked, (self.clock)(), time));
        if self.status.set_clock_off(off) {
            if let Some(seconds) = off {
                tracing::error!(seconds, "the clock is off");
            } else {
                tracing::info!("the clock is right again");
            }
        }
        self.status.set_bound(true);
        if self.status.set_held(listing.held) {
            tracing::info!(held = listing.held, "the hold of the queue has changed");
        }
        if off.is_some() || listing.held {
            return Ok(Vec::new());
        }
        let waiting = waiting_queues(&listing.addresses, self.model().as_ref());
        Ok(locked(&self.order).order(waiting))
    }

    /// Takes the first job that is to be had; `None` if all are in flight.
    ///
    /// # Errors
    /// [`BusError`]: the bus or the stream is away.
    pub async fn take(&self, durables: &[Durable]) -> Result<Option<Delivery>, BusError> {
        for durable in durables {
            if let Some(delivery) = self.pull(durable).await? {
                if let Some(address) = &delivery.address {
                    locked(&self.order).taken(address);
                }
                return Ok(Some(delivery));
            }
        }
        let mut kept = locked(&self.durables);
        if kept.len() > KEPT_DURABLES {
            kept.retain(|durable, _| durables.contains(durable));
        }
        Ok(None)
    }

    /// A durable that the server has forgotten is made anew.
    async fn pull(&self, durable: &Durable) -> Result<Option<Delivery>, BusError> {
        let known = locked(&self.durables).get(durable).cloned();
        if let Some(consumer) = known {
            match self.bus.pull(&consumer).await {
                // A pull without an answer may have been given a job: its lease has to end first.
                Err(BusError::Refused(_)) => drop(locked(&self.durables).remove(durable)),
                pulled => return pulled,
            }
        }
        let consumer = self.bus.durable(durable).await?;
        let pulled = self.bus.pull(&consumer).await?;
        locked(&self.durables).insert(durable.clone(), consumer);
        Ok(pulled)
    }

    /// Publishes the start of a request, with the token of this worker's model, for the other
    /// workers and the filters. A lost one costs a little fairness.
    pub async fn publish_start(&self, address: &Address) {
        let model = self.model();
        let model = model.map_or_else(Bytes::new, |model| model.as_str().to_owned().into());
        let published = self.bus.publish(address.started().into(), None, model);
        if let Err(error) = published.await {
            tracing::warn!(chat_id = %address.id, %error, "the event of a start was lost");
        }
    }

    /// A worker has published a start; `model` is the token of its model, or nothing if it does not
    /// know that.
    fn receive_start(&self, address: &Address, model: &[u8]) {
        let is_own = |own: ModelToken| own.as_str().as_bytes() == model;
        let ours = model.is_empty() || self.model().is_none_or(is_own);
        locked(&self.order).started(address, ours);
    }

    fn model(&self) -> Option<ModelToken> {
        self.status.now().model.as_deref().and_then(ModelToken::of)
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

/// The events of all workers and filters that concern the queue.
#[derive(Debug)]
pub struct Events {
    approved: Subscriber,
    started: Subscriber,
    cancelled: Subscriber,
}

impl Events {
    /// Subscribes; before the first job is taken, so that no cancellation of it is missed.
    ///
    /// # Errors
    /// [`BusError`]: the client takes no subscription.
    pub async fn subscribe(bus: &Bus) -> Result<Self, BusError> {
        Ok(Self {
            approved: bus.subscribe(WAKE).await?,
            started: bus.subscribe(STARTED).await?,
            cancelled: bus.subscribe(CANCELLED).await?,
        })
    }

    /// Hands the events on until `stop`.
    pub async fn hand_on(mut self, queue: Queue, in_flight: InFlight, stop: CancellationToken) {
        loop {
            tokio::select! {
                Some(_) = self.approved.next() => queue.wake.send_replace(()),
                Some(message) = self.started.next() => {
                    if let Some(address) = Address::parse_started(&message.subject) {
                        queue.receive_start(&address, &message.payload);
                    }
                }
                Some(message) = self.cancelled.next() => {
                    if let Some(request) = RequestKey::parse_cancelled(&message.subject) {
                        in_flight.cancel(&request);
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
