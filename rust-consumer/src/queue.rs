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
use crate::model::Token;
use crate::source::Source;
use crate::status::Status;
use crate::subjects::{Approved, CANCELLED, Line, STARTED, STARTED_PREFIX, WAKE};

/// Who sleeps looks by itself after this long: a job that was given back wakes nobody.
const LOOK: Duration = Duration::from_secs(1);
/// Past so many sources, the consumers of those that have nothing in the stream are not kept.
const KEPT_CONSUMERS: usize = 512;

/// The queue as this process sees it, shared by its workers; cheap to clone.
#[derive(Debug, Clone)]
pub struct Queue {
    bus: Bus,
    status: Status,
    turns: Arc<Mutex<Turns>>,
    consumers: Arc<Mutex<HashMap<Source, PullConsumer>>>,
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

    /// Asks who has requests in the stream that this process's model may answer; returns their sources in the
    /// order in which they are to be tried. Before the model has said its name, and where it has none, those
    /// that name one are none of them.
    ///
    /// # Errors
    /// [`BusError`]: the bus or the stream is away.
    pub async fn look(&self) -> Result<Vec<Source>, BusError> {
        let waiting = self.bus.waiting(self.model().as_ref()).await?;
        self.status.set_bound(true);
        Ok(locked(&self.turns).order(waiting))
    }

    /// Takes the first job that is to be had; `None` where all that is there is in somebody's hand.
    ///
    /// # Errors
    /// [`BusError`]: the bus or the stream is away.
    pub async fn take(&self, sources: &[Source]) -> Result<Option<Delivery>, BusError> {
        for source in sources {
            if let Some(delivery) = self.pull(source).await? {
                if let Some((_, id)) = Source::parse(&delivery.subject) {
                    locked(&self.turns).taken(source, id);
                }
                return Ok(Some(delivery));
            }
        }
        let mut consumers = locked(&self.consumers);
        if consumers.len() > KEPT_CONSUMERS {
            consumers.retain(|source, _| sources.contains(source));
        }
        Ok(None)
    }

    /// A consumer that was forgotten meanwhile is made anew.
    async fn pull(&self, source: &Source) -> Result<Option<Delivery>, BusError> {
        let known = locked(&self.consumers).get(source).cloned();
        if let Some(consumer) = known {
            match self.bus.pull(&consumer).await {
                // A pull that was not answered may have been given a job: its lease has to end first.
                Err(BusError::Refused(_)) => drop(locked(&self.consumers).remove(source)),
                pulled => return pulled,
            }
        }
        let consumer = self.bus.consumer(source).await?;
        let pulled = self.bus.pull(&consumer).await?;
        locked(&self.consumers).insert(source.clone(), consumer);
        Ok(pulled)
    }

    /// Tells the other workers and the filters whose turn it was, and of which model's worker. What is lost of
    /// this costs a little fairness.
    pub async fn tell_started(&self, delivery: &Believed<'_>) {
        let Some((Source { line, .. }, id)) = Source::parse(&delivery.subject) else {
            return;
        };
        let model = self.model();
        let model = model.map_or_else(Bytes::new, |model| model.as_str().to_owned().into());
        let told = self.bus.publish(line.started(id).into(), None, model);
        if let Err(error) = told.await {
            tracing::warn!(%error, "a start was not told");
        }
    }

    /// A worker has told a start; `model` is the token of its own model, or nothing where it does not know that.
    fn heard_start(&self, line: &Line, id: &str, model: &[u8]) {
        let is_own = |own: Token| own.as_str().as_bytes() == model;
        let ours = model.is_empty() || self.model().is_none_or(is_own);
        locked(&self.turns).started(line, id, ours);
    }

    fn model(&self) -> Option<Token> {
        self.status.now().model.as_deref().and_then(Token::of)
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
                        queue.heard_start(&line, id, &message.payload);
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
