//! Which requests are in hand, so that one that is cancelled can be stopped (DESIGN, decision 8).

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio_util::sync::CancellationToken;

use crate::subjects::Approved;

/// The requests in hand, shared by the process's workers; cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct InHand(Arc<Mutex<HashMap<Approved, Holds>>>);

/// How often one request is held: two workers may hold it when a lease ran out. All of them are stopped by its
/// cancellation.
#[derive(Debug, Default)]
struct Holds {
    count: usize,
    token: CancellationToken,
}

/// A request is in hand until this is dropped.
#[derive(Debug)]
pub struct Held {
    request: Approved,
    token: CancellationToken,
    all: InHand,
}

impl InHand {
    /// Notes a request. Who looks for its outcome after this misses no cancellation: it is stored before it
    /// is told, so either the look finds it, or what is told is heard.
    #[must_use]
    pub fn hold(&self, request: &Approved) -> Held {
        let mut all = self.all();
        let holds = all.entry(request.clone()).or_default();
        holds.count += 1;
        Held {
            request: request.clone(),
            token: holds.token.clone(),
            all: self.clone(),
        }
    }

    /// Stops the request, where it is in hand.
    pub fn cancel(&self, request: &Approved) {
        if let Some(holds) = self.all().get(request) {
            holds.token.cancel();
        }
    }

    fn all(&self) -> MutexGuard<'_, HashMap<Approved, Holds>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Held {
    /// Waits until the request is cancelled.
    pub async fn cancelled(&self) {
        self.token.cancelled().await;
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let mut all = self.all.all();
        if let Some(holds) = all.get_mut(&self.request) {
            holds.count -= 1;
            if holds.count == 0 {
                all.remove(&self.request);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(client: &str) -> Approved {
        let id = "01920f3c-7a51-7c3e-8f00-0123456789ab";
        Approved::parse(&format!("chat.approved.batch.{client}.{id}")).unwrap()
    }

    /// The request of this client is stopped and no other; one that is over is forgotten.
    #[test]
    fn the_request_in_hand_is_stopped() {
        let in_hand = InHand::default();
        let (alice, bob) = (
            in_hand.hold(&request("alice")),
            in_hand.hold(&request("bob")),
        );
        in_hand.cancel(&request("alice"));
        in_hand.cancel(&request("carol"));
        assert!(alice.token.is_cancelled() && !bob.token.is_cancelled());
        drop((alice, bob));
        assert!(in_hand.all().is_empty());
        assert!(!in_hand.hold(&request("alice")).token.is_cancelled());
    }

    /// A request that two workers hold can be stopped until both have let go of it.
    #[test]
    fn a_request_that_is_held_twice_is_stopped_after_one_has_let_go() {
        let in_hand = InHand::default();
        let (first, second) = (
            in_hand.hold(&request("alice")),
            in_hand.hold(&request("alice")),
        );
        drop(first);
        in_hand.cancel(&request("alice"));
        assert!(second.token.is_cancelled());
        drop(second);
        assert!(in_hand.all().is_empty());
    }
}
