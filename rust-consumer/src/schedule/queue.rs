//! Takes the next job off the stream: by the service order, from a durable consumer.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use async_nats::Subscriber;
use async_nats::jetstream::consumer::PullConsumer;
use bytes::Bytes;
use futures_util::StreamExt;
use tokio::sync::watch;
use tokio::time::{sleep as sleep_for, timeout};
use tokio_util::sync::CancellationToken;

use super::in_flight::InFlight;
use super::order::{ServiceOrder, waiting_queues};
use super::view::View;
use crate::bus::Bus;
use crate::bus::jobs::Delivery;
use crate::contract::address::{Address, Durable, RequestKey};
use crate::contract::headers::{CHAT_REPLY_TO, value};
use crate::contract::model::ModelToken;
use crate::contract::subjects::{CANCELLED, FOLLOW, STARTED, WAKE, is_gateways};
use crate::error::BusError;
use crate::ops::clock;
use crate::ops::status::Status;

/// Before a job is chosen, the stream was listed within this time: a job that was given back wakes
/// nobody, and an event may be lost.
const LOOK: Duration = Duration::from_secs(1);
/// Events may come faster than the stream can be listed.
const MAX_LOOKS: usize = 3;
/// A busy worker lists the stream again after this long, so that it need not do so when it is free.
const LOOK_AHEAD: Duration = Duration::from_millis(700);
/// Beyond this many durables, those that have nothing in the stream are not kept.
const KEPT_DURABLES: usize = 512;

/// The queue as this process sees it, shared by its workers; cheap to clone.
#[derive(Debug, Clone)]
pub struct Queue {
    bus: Bus,
    status: Status,
    clock: fn() -> SystemTime,
    order: Arc<Mutex<ServiceOrder>>,
    view: Arc<Mutex<View>>,
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
            view: Arc::default(),
            durables: Arc::default(),
            wake: watch::Sender::new(()),
        }
    }

    /// A sleep that ends with any approval after its last end.
    #[must_use]
    pub fn sleep(&self) -> Sleep {
        Sleep(self.wake.subscribe())
    }

    /// Takes the next job. `None`: this worker may start no job now. Requests that name another model
    /// are left out. Until this model's name is known, all that name a model are left out.
    ///
    /// While the queue is on hold there are none.
    ///
    /// While this machine's clock is off there are none either: deadlines are times of day, and it would
    /// end requests that have time left, or answer those that have none.
    ///
    /// # Errors
    /// [`BusError`]: the bus or the stream is away.
    pub async fn next(&self) -> Result<Option<Delivery>, BusError> {
        let durables = self.candidates().await?;
        for durable in &durables {
            let mark = locked(&self.view).mark();
            let Some(delivery) = self.pull_and_look_up(durable).await? else {
                locked(&self.view).nothing_of(durable, mark);
                continue;
            };
            if let Some(address) = &delivery.address {
                locked(&self.view).left(&address.key());
                locked(&self.order).taken(address);
            }
            return Ok(Some(delivery));
        }
        let mut kept = locked(&self.durables);
        if kept.len() > KEPT_DURABLES {
            kept.retain(|durable, _| durables.contains(durable));
        }
        Ok(None)
    }

    /// The durables of the requests that may be started, the one to try first at the beginning.
    ///
    /// # Errors
    /// [`BusError`]: the stream had to be listed, and it or the bus is away.
    pub async fn candidates(&self) -> Result<Vec<Durable>, BusError> {
        for _ in 0..MAX_LOOKS {
            if self.is_current(LOOK) {
                break;
            }
            self.look().await?;
        }
        let model = self.model();
        let view = locked(&self.view);
        let waiting = waiting_queues(view.waiting(), model.as_ref());
        Ok(locked(&self.order).order(waiting))
    }

    /// Lists the stream.
    async fn look(&self) -> Result<(), BusError> {
        let asked = (self.clock)();
        let mark = locked(&self.view).mark();
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
        let closed = off.is_some() || listing.held;
        locked(&self.view).listing(listing.addresses, closed, mark);
        Ok(())
    }

    /// Keeps the view of the stream current while a worker is busy. It never ends.
    pub async fn look_ahead(&self) -> Infallible {
        let mut sleep = self.sleep();
        loop {
            if !self.is_current(LOOK_AHEAD)
                && let Err(error) = self.look().await
            {
                // The worker lists it, if need be, when it is free.
                tracing::debug!(%error, "the stream was not listed");
                sleep_for(LOOK_AHEAD).await;
            }
            // An approval that does not say whose it is makes the view old.
            let _ = timeout(LOOK_AHEAD, sleep.0.changed()).await;
        }
    }

    /// Pulls from a durable, and looks at the same time for a result of the request that is probably
    /// delivered. There is one if the request was answered before, and came into the stream again.
    async fn pull_and_look_up(&self, durable: &Durable) -> Result<Option<Delivery>, BusError> {
        let first = locked(&self.view).first_of(durable);
        let looked_up = async {
            let address = first.as_ref()?;
            let found = self.bus.find_result(address).await;
            matches!(found, Ok(None)).then_some(address)
        };
        let (pulled, new) = tokio::join!(self.pull(durable), looked_up);
        let mut pulled = pulled?;
        if let Some(delivery) = &mut pulled {
            delivery.looked_up = new.is_some() && delivery.address.as_ref() == new;
        }
        Ok(pulled)
    }

    /// A request of this worker has ended. An older listing may still show it as waiting.
    pub fn left(&self, request: &RequestKey) {
        locked(&self.view).left(request);
    }

    fn is_current(&self, age: Duration) -> bool {
        locked(&self.view).is_current(age, self.bus.connection())
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
        locked(&self.view).left(&address.key());
        let is_own = |own: ModelToken| own.as_str().as_bytes() == model;
        let ours = model.is_empty() || self.model().is_none_or(is_own);
        locked(&self.order).started(address, ours);
    }

    /// A filter has approved the request that `body` names by its subject in the stream. If it names
    /// none (a hold, its end, a filter of an earlier version), the stream has to be listed.
    fn receive_approval(&self, body: &[u8]) {
        let address = std::str::from_utf8(body).ok().and_then(Address::parse);
        match address {
            Some(address) => locked(&self.view).approved(address),
            None => locked(&self.view).expire(),
        }
        self.wake.send_replace(());
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
    follow: Subscriber,
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
            follow: bus.subscribe(FOLLOW).await?,
        })
    }

    /// Hands the events on until `stop`.
    pub async fn hand_on(mut self, queue: Queue, in_flight: InFlight, stop: CancellationToken) {
        loop {
            tokio::select! {
                Some(message) = self.approved.next() => queue.receive_approval(&message.payload),
                Some(message) = self.started.next() => {
                    if let Some(address) = Address::parse_started(&message.subject) {
                        queue.receive_start(&address, &message.payload);
                    }
                }
                Some(message) = self.follow.next() => {
                    let headers = message.headers.unwrap_or_default();
                    if let Some(request) = RequestKey::parse_follow(&message.subject)
                        && let Some(subject) = value(&headers, CHAT_REPLY_TO)
                        && is_gateways(subject)
                    {
                        in_flight.follow(&request, subject.into());
                    }
                }
                Some(message) = self.cancelled.next() => {
                    if let Some(request) = RequestKey::parse_cancelled(&message.subject) {
                        queue.left(&request);
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
