//! The service order: which client queue is next. Pure: no network, no clock.
//!
//! Lanes take turns 3:1; within a lane the client that was served longest ago is next. A client's
//! requests that name the worker's model and those that name none are one client queue, and take
//! turns within it. `contracts/fixtures/v1/order.json` holds histories that the filter replays too.

use std::collections::{HashMap, VecDeque};

use uuid::Uuid;

use crate::contract::address::{Address, ClientQueue, Durable, Lane};
use crate::contract::model::ModelToken;

/// This many interactive requests start for one of the batch lane, while both have work.
const INTERACTIVE_SHARE: u32 = 3;
/// A worker receives its own event of a start: this many are remembered, to be counted once.
const REMEMBERED_STARTS: usize = 256;
/// Beyond this many client queues the least recently served one is forgotten: it is next either
/// way.
const REMEMBERED_CLIENT_QUEUES: usize = 4096;

/// A client queue that has requests in the stream; some of them may be in flight.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WaitingQueue {
    /// Whose they are.
    pub queue: ClientQueue,
    /// One or two: for the requests that name the model, and for those that name none.
    pub durables: Vec<WaitingDurable>,
}

/// A durable that has requests in the stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WaitingDurable {
    /// The durable.
    pub durable: Durable,
    /// The least id among its requests: of those without a key, which are `UUIDv7`, the first that
    /// came.
    pub least_id: Uuid,
}

impl WaitingQueue {
    fn least_id(&self) -> Option<Uuid> {
        self.durables.iter().map(|waiting| waiting.least_id).min()
    }
}

/// Groups approved requests by client queue. Only those that name `model` or none count.
pub fn waiting_queues<'a, I>(
    addresses: I,
    model: Option<&ModelToken>,
) -> impl Iterator<Item = WaitingQueue> + use<'a, I>
where
    I: IntoIterator<Item = &'a Address>,
{
    let mut least: HashMap<Durable, Uuid> = HashMap::new();
    for address in addresses {
        if address.model.is_none() || address.model.as_ref() == model {
            let known = least.entry(address.durable()).or_insert(address.id);
            *known = address.id.min(*known);
        }
    }
    let mut queues: HashMap<ClientQueue, Vec<WaitingDurable>> = HashMap::new();
    for (durable, least_id) in least {
        let queue = queues.entry(durable.queue.clone()).or_default();
        queue.push(WaitingDurable { durable, least_id });
    }
    let queues = queues.into_iter();
    queues.map(|(queue, durables)| WaitingQueue { queue, durables })
}

/// When a client queue was served last.
#[derive(Debug, Clone, Default)]
struct Service {
    start: u64,
    /// Whether the request that this process took last names a model; `None` if it took none yet.
    by_name: Option<bool>,
}

/// Which client queue was served when, by all workers, as far as this process knows.
#[derive(Debug, Clone, Default)]
pub struct ServiceOrder {
    served: HashMap<ClientQueue, Service>,
    starts: u64,
    /// Interactive requests that started since the last of the batch lane.
    interactive: u32,
    recent: VecDeque<Uuid>,
}

impl ServiceOrder {
    /// A worker of this process has taken up a request.
    pub fn taken(&mut self, address: &Address) {
        self.started(address, true);
        if let Some(service) = self.served.get_mut(&address.queue()) {
            service.by_name = Some(address.model.is_some());
        }
    }

    /// A worker, of this process or another, has taken up a request. `ours`: its model is this
    /// process's. The lanes' share counts those alone, as a busy model's starts would use up
    /// another model's share.
    pub fn started(&mut self, address: &Address, ours: bool) {
        if self.recent.contains(&address.id) {
            return;
        }
        if self.recent.len() == REMEMBERED_STARTS {
            self.recent.pop_front();
        }
        self.recent.push_back(address.id);
        if ours {
            self.interactive = match address.lane {
                Lane::Interactive => self.interactive.saturating_add(1),
                Lane::Batch => 0,
            };
        }
        self.starts += 1;
        self.served.entry(address.queue()).or_default().start = self.starts;
        if self.served.len() > REMEMBERED_CLIENT_QUEUES {
            let oldest = self.served.iter().min_by_key(|(_, service)| service.start);
            if let Some(oldest) = oldest.map(|(queue, _)| queue.clone()) {
                self.served.remove(&oldest);
            }
        }
    }

    /// Returns the durables in the order in which they are to be tried.
    ///
    /// Those behind the first are tried if the first one's requests are all in flight already.
    pub fn order(&mut self, waiting: impl Iterator<Item = WaitingQueue>) -> Vec<Durable> {
        let (mut interactive, mut batch): (Vec<_>, Vec<_>) =
            waiting.partition(|waiting| waiting.queue.lane == Lane::Interactive);
        if batch.is_empty() {
            // The share counts while both lanes have work: a batch request that comes later does
            // not start at once.
            self.interactive = 0;
        }
        for lane in [&mut interactive, &mut batch] {
            lane.sort_by_cached_key(|waiting| {
                let served = self.served.get(&waiting.queue);
                let start = served.map(|service| service.start);
                (start, waiting.least_id(), waiting.queue.client.clone())
            });
        }
        let (first, second) = if self.interactive >= INTERACTIVE_SHARE {
            (batch, interactive)
        } else {
            (interactive, batch)
        };
        let ordered = first.into_iter().chain(second);
        ordered.flat_map(|waiting| self.durables(waiting)).collect()
    }

    /// Of a client queue's two durables, first the one that this process did not pull from last;
    /// before that, the one with the least id. Ids of requests with a key tell no time, so to go by
    /// them alone could starve one.
    fn durables(&self, waiting: WaitingQueue) -> impl Iterator<Item = Durable> + use<> {
        let served = self.served.get(&waiting.queue);
        let last = served.and_then(|service| service.by_name);
        let mut durables = waiting.durables;
        durables.sort_by_key(|waiting| {
            let was_last = last == Some(waiting.durable.model.is_some());
            (was_last, waiting.least_id)
        });
        durables.into_iter().map(|waiting| waiting.durable)
    }
}

#[cfg(test)]
mod replay;
#[cfg(test)]
mod tests;
