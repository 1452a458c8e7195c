//! The requests that this process works on, so that one that is cancelled can be stopped, and one
//! that somebody else listens to can be followed.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_nats::Subject;
use tokio::sync::broadcast;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::contract::address::RequestKey;

/// The requests in flight, shared by the process's workers; cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct InFlight(Arc<Mutex<Requests>>);

#[derive(Debug, Default)]
struct Requests {
    held: HashMap<RequestKey, Holds>,
    /// Requests that were cancelled recently, before they were in flight here. The oldest is first.
    cancelled: VecDeque<(RequestKey, Instant)>,
}

/// A cancellation whose event comes before its request is delivered is remembered for this long.
const REMEMBERED: Duration = Duration::from_secs(5);
const MAX_REMEMBERED: usize = 256;

/// Of one request, followers that its worker has not looked at yet.
const MAX_WAITING_FOLLOWERS: usize = 16;

/// How often one request is in flight: twice, if a lease ran out. Its cancellation stops all.
#[derive(Debug)]
struct Holds {
    count: usize,
    token: CancellationToken,
    followers: broadcast::Sender<Subject>,
}

impl Default for Holds {
    fn default() -> Self {
        Self {
            count: 0,
            token: CancellationToken::default(),
            followers: broadcast::Sender::new(MAX_WAITING_FOLLOWERS),
        }
    }
}

/// A request is in flight until this is dropped.
#[derive(Debug)]
pub struct InFlightGuard {
    request: RequestKey,
    token: CancellationToken,
    followers: broadcast::Sender<Subject>,
    all: InFlight,
}

impl InFlight {
    /// Enters a request. No cancellation is missed: it is stored before its event is sent, so either
    /// a look for the result finds it, or its event is received after the look began, and counts.
    #[must_use]
    pub fn enter(&self, request: &RequestKey) -> InFlightGuard {
        let mut all = self.all();
        all.forget();
        let is_cancelled = all.cancelled.iter().any(|(key, _)| key == request);
        let holds = all.held.entry(request.clone()).or_default();
        holds.count += 1;
        if is_cancelled {
            holds.token.cancel();
        }
        InFlightGuard {
            request: request.clone(),
            token: holds.token.clone(),
            followers: holds.followers.clone(),
            all: self.clone(),
        }
    }

    /// Stops the request, if it is in flight, or if it comes within a few seconds.
    pub fn cancel(&self, request: &RequestKey) {
        let mut all = self.all();
        if let Some(holds) = all.held.get(request) {
            holds.token.cancel();
            return;
        }
        all.forget();
        if all.cancelled.len() == MAX_REMEMBERED {
            all.cancelled.pop_front();
        }
        all.cancelled.push_back((request.clone(), Instant::now()));
    }

    /// Has the request's events sent to `subject` too, if it is in flight.
    pub fn follow(&self, request: &RequestKey, subject: Subject) {
        if let Some(holds) = self.all().held.get(request) {
            // An error: its worker looks no more, as its result is being sent.
            let _ = holds.followers.send(subject);
        }
    }

    fn all(&self) -> MutexGuard<'_, Requests> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Requests {
    fn forget(&mut self) {
        while let Some((_, at)) = self.cancelled.front()
            && at.elapsed() > REMEMBERED
        {
            self.cancelled.pop_front();
        }
    }
}

impl InFlightGuard {
    /// The subjects that the request's events are to be sent to from now on, beside its own.
    #[must_use]
    pub fn followers(&self) -> broadcast::Receiver<Subject> {
        self.followers.subscribe()
    }

    /// Waits until the request is cancelled.
    pub async fn cancelled(&self) {
        self.token.cancelled().await;
    }
}

impl Drop for InFlightGuard {
    fn drop(&mut self) {
        let mut all = self.all.all();
        if let Some(holds) = all.held.get_mut(&self.request) {
            holds.count -= 1;
            if holds.count == 0 {
                all.held.remove(&self.request);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(client: &str) -> RequestKey {
        RequestKey {
            client: client.to_owned(),
            id: uuid::Uuid::nil(),
        }
    }

    /// The request of this client is stopped and no other; one that is over is forgotten.
    #[test]
    fn the_request_in_flight_is_stopped() {
        let in_flight = InFlight::default();
        let (alice, bob) = (
            in_flight.enter(&request("alice")),
            in_flight.enter(&request("bob")),
        );
        in_flight.cancel(&request("alice"));
        in_flight.cancel(&request("carol"));
        assert!(alice.token.is_cancelled() && !bob.token.is_cancelled());
        drop((alice, bob));
        assert!(in_flight.all().held.is_empty());
        assert!(!in_flight.enter(&request("alice")).token.is_cancelled());
    }

    /// The event of a cancellation may come while its request is being delivered; it counts once the
    /// request is in flight, but not for ever: a key may be used again.
    #[tokio::test(start_paused = true)]
    async fn a_cancellation_that_comes_early_is_remembered() {
        let in_flight = InFlight::default();
        in_flight.cancel(&request("alice"));
        assert!(in_flight.enter(&request("alice")).token.is_cancelled());
        assert!(!in_flight.enter(&request("bob")).token.is_cancelled());
        tokio::time::advance(REMEMBERED + Duration::from_millis(1)).await;
        assert!(!in_flight.enter(&request("alice")).token.is_cancelled());
    }

    /// Both workers of a request hear of its followers; of a request that is over nobody does.
    #[test]
    fn the_request_in_flight_is_followed() {
        let in_flight = InFlight::default();
        let (first, second) = (
            in_flight.enter(&request("alice")),
            in_flight.enter(&request("alice")),
        );
        let mut heard = [first.followers(), second.followers()];
        in_flight.follow(&request("alice"), "_INBOX_gateway.a".into());
        in_flight.follow(&request("bob"), "_INBOX_gateway.b".into());
        for followers in &mut heard {
            assert_eq!(followers.try_recv(), Ok("_INBOX_gateway.a".into()));
            assert!(followers.try_recv().is_err());
        }
    }

    /// A request that two workers have can be stopped until both have left it.
    #[test]
    fn a_request_that_is_in_flight_twice_is_stopped_after_one_has_left() {
        let in_flight = InFlight::default();
        let (first, second) = (
            in_flight.enter(&request("alice")),
            in_flight.enter(&request("alice")),
        );
        drop(first);
        in_flight.cancel(&request("alice"));
        assert!(second.token.is_cancelled());
        drop(second);
        assert!(in_flight.all().held.is_empty());
    }
}
