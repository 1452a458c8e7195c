//! What the stream of jobs holds, as far as this process knows: its last listing, and what was
//! heard since. Pure: no network.
//!
//! It is only a hint. The stream alone decides who gets a job: a pull that finds nothing corrects
//! the view, and so does the next listing.

use std::collections::HashMap;
use std::time::Duration;

use tokio::time::Instant;

use crate::contract::address::{Address, Durable, RequestKey};

/// The requests that wait, and perhaps some that are in flight.
#[derive(Debug, Default)]
pub struct View {
    entries: HashMap<RequestKey, Entry>,
    heard: Mark,
    /// When the last listing came; `None` if there was none.
    listed: Option<Instant>,
    /// When something was heard that a later listing must explain.
    expired: Option<Mark>,
    /// The number of the connection on which everything was heard.
    connection: u64,
    /// Whether nothing may be started: the queue is on hold, or this machine's clock is off.
    closed: bool,
}

/// A moment in the order of what was heard.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mark(u64);

#[derive(Debug)]
struct Entry {
    address: Address,
    heard: Mark,
}

impl View {
    /// Whether the stream was listed within `age`, and nothing has happened since that only a
    /// listing explains. `connection` is the number of the connection: what was sent between two of
    /// them is missed.
    pub fn is_current(&mut self, age: Duration, connection: u64) -> bool {
        if self.connection != connection {
            self.connection = connection;
            self.expire();
        }
        self.expired.is_none() && self.listed.is_some_and(|listed| listed.elapsed() < age)
    }

    /// The stream has to be listed before the next job is chosen.
    pub fn expire(&mut self) {
        self.heard.0 += 1;
        self.expired = Some(self.heard);
    }

    /// This moment: what is heard from now on is later.
    #[must_use]
    pub fn mark(&self) -> Mark {
        self.heard
    }

    /// A request was approved.
    pub fn approved(&mut self, address: Address) {
        self.heard.0 += 1;
        let heard = self.heard;
        self.entries.insert(address.key(), Entry { address, heard });
    }

    /// A request waits no more: it was started, or cancelled.
    pub fn left(&mut self, request: &RequestKey) {
        self.entries.remove(request);
    }

    /// The first request of a durable. Of requests without a key it is the next one that a pull
    /// gives.
    #[must_use]
    pub fn first_of(&self, durable: &Durable) -> Option<Address> {
        let addresses = self.entries.values().map(|entry| &entry.address);
        let own = addresses.filter(|address| address.durable() == *durable);
        own.min_by_key(|address| address.id).cloned()
    }

    /// The stream was listed; `mark` was taken before the question was sent.
    pub fn listing(&mut self, addresses: Vec<Address>, closed: bool, mark: Mark) {
        // What was approved since then is in the stream, and perhaps not in the listing.
        self.entries.retain(|_, entry| entry.heard > mark);
        for address in addresses {
            let heard = mark;
            let entry = self.entries.entry(address.key());
            entry.or_insert(Entry { address, heard });
        }
        self.closed = closed;
        self.expired = self.expired.filter(|expired| *expired > mark);
        self.listed = Some(Instant::now());
    }

    /// A pull that was sent at `mark` found nothing: all that the durable had then is in flight, or
    /// gone.
    pub fn nothing_of(&mut self, durable: &Durable, mark: Mark) {
        let is_of = |entry: &Entry| entry.heard <= mark && entry.address.durable() == *durable;
        self.entries.retain(|_, entry| !is_of(entry));
    }

    /// The requests that may be started.
    #[must_use]
    pub fn waiting(&self) -> Vec<&Address> {
        if self.closed {
            return Vec::new();
        }
        let entries = self.entries.values();
        entries.map(|entry| &entry.address).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AGE: Duration = Duration::from_secs(1);

    fn address(client: &str, number: u8) -> Address {
        let id = format!("01920f3c-7a51-7c3e-8f00-0000000000{number:02}");
        Address::parse(&format!("chat.approved.interactive.{client}.{id}")).unwrap()
    }

    fn listed(addresses: &[Address]) -> View {
        let mut view = View::default();
        view.listing(addresses.to_vec(), false, view.mark());
        view
    }

    fn waiting(view: &View) -> Vec<Address> {
        let mut all: Vec<_> = view.waiting().into_iter().cloned().collect();
        all.sort_by_key(|address| address.id);
        all
    }

    #[tokio::test(start_paused = true)]
    async fn a_view_is_current_for_a_while() {
        let mut view = View::default();
        assert!(!view.is_current(AGE, 0), "nothing is known at the start");
        view = listed(&[]);
        assert!(view.is_current(AGE, 0));
        tokio::time::advance(AGE).await;
        assert!(!view.is_current(AGE, 0));
        view = listed(&[]);
        assert!(!view.is_current(AGE, 1), "events were missed");
    }

    /// A hold that comes while a listing is on its way may not be in it.
    #[tokio::test]
    async fn a_listing_explains_only_what_was_heard_before_it_was_asked_for() {
        let mut view = listed(&[]);
        let mark = view.mark();
        view.expire();
        view.listing(Vec::new(), false, mark);
        assert!(!view.is_current(AGE, 0));
        view.listing(Vec::new(), true, view.mark());
        assert!(view.is_current(AGE, 0));
    }

    /// What was approved while the listing was on its way is kept; what it does not have any more
    /// goes.
    #[tokio::test]
    async fn a_listing_replaces_what_was_known_when_it_was_asked_for() {
        let mut view = listed(&[address("anna", 1)]);
        view.approved(address("anna", 2));
        let mark = view.mark();
        view.approved(address("ben", 3));
        view.listing(vec![address("anna", 2)], false, mark);
        assert_eq!(waiting(&view), [address("anna", 2), address("ben", 3)]);
    }

    /// An empty pull takes the durable's requests away, but not one that came while it was on its
    /// way.
    #[tokio::test]
    async fn an_empty_pull_corrects_the_view() {
        let mut view = listed(&[address("anna", 1), address("ben", 2)]);
        let mark = view.mark();
        view.approved(address("anna", 3));
        view.nothing_of(&address("anna", 1).durable(), mark);
        assert_eq!(waiting(&view), [address("ben", 2), address("anna", 3)]);
    }

    #[tokio::test]
    async fn what_was_started_or_cancelled_waits_no_more() {
        let mut view = listed(&[address("anna", 1), address("ben", 2)]);
        view.left(&address("anna", 1).key());
        assert_eq!(waiting(&view), [address("ben", 2)]);
    }

    #[tokio::test]
    async fn the_first_request_of_a_durable_came_first() {
        let view = listed(&[address("anna", 2), address("anna", 1), address("ben", 0)]);
        let durable = address("anna", 1).durable();
        assert_eq!(view.first_of(&durable), Some(address("anna", 1)));
        assert_eq!(view.first_of(&address("carl", 1).durable()), None);
    }

    /// During a hold nothing waits that could be started, and nothing is forgotten.
    #[tokio::test]
    async fn a_closed_view_starts_nothing() {
        let mut view = listed(&[address("anna", 1)]);
        let addresses = || vec![address("anna", 1)];
        view.listing(addresses(), true, view.mark());
        view.approved(address("ben", 2));
        assert!(waiting(&view).is_empty());
        view.listing(addresses(), false, view.mark());
        assert_eq!(waiting(&view), [address("anna", 1)]);
    }
}
