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
    /// When something was heard that only a listing later than that explains.
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
    /// Whether a look for its result, made since it was heard of, has found none.
    looked_up: bool,
}

impl Entry {
    fn new(address: Address, heard: Mark) -> Self {
        Self {
            address,
            heard,
            looked_up: false,
        }
    }
}

impl View {
    /// Whether the stream was listed within `age`, and nothing has happened since that only a
    /// listing explains. `connection` is the number of the connection: what was sent between two of
    /// them is missed.
    pub fn is_current(&mut self, age: Duration, connection: u64) -> bool {
        if self.connection != connection {
            self.connection = connection;
            self.expire();
            for entry in self.entries.values_mut() {
                entry.looked_up = false; // Its cancellation may have been missed.
            }
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
        let entry = Entry::new(address, self.heard);
        self.entries.insert(entry.address.key(), entry);
    }

    /// A request waits no more: it was started, or cancelled. Returns whether a look for its result
    /// has found none.
    pub fn left(&mut self, request: &RequestKey) -> bool {
        let entry = self.entries.remove(request);
        entry.is_some_and(|entry| entry.looked_up)
    }

    /// The first request of a durable, if nobody has looked for its result. Of requests without a
    /// key it is the next one that a pull gives.
    #[must_use]
    pub fn first_of(&self, durable: &Durable) -> Option<Address> {
        let entries = self.entries.values();
        let own = entries.filter(|entry| entry.address.durable() == *durable);
        let first = own.min_by_key(|entry| entry.address.id)?;
        (!first.looked_up).then(|| first.address.clone())
    }

    /// A look for the request's result has found none.
    pub fn has_no_result(&mut self, request: &RequestKey) {
        if let Some(entry) = self.entries.get_mut(request) {
            entry.looked_up = true;
        }
    }

    /// The stream was listed; `mark` was taken before the question was sent.
    pub fn listing(&mut self, addresses: Vec<Address>, closed: bool, mark: Mark) {
        let mut known = std::mem::take(&mut self.entries);
        for address in addresses {
            let key = address.key();
            let entry = known.remove(&key);
            let entry = entry.unwrap_or_else(|| Entry::new(address, mark));
            self.entries.insert(key, entry);
        }
        // What was approved since then is in the stream, and perhaps not in the listing.
        known.retain(|_, entry| entry.heard > mark);
        self.entries.extend(known);
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
        let (mark, asked) = (view.mark());
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

    /// The look for a result counts while the request is known to wait: not after an event of its
    /// cancellation, and not after events were missed.
    #[tokio::test]
    async fn a_look_for_a_result_counts_for_what_waits() {
        let (first, second) = (address("anna", 1), address("anna", 2));
        let mut view = listed(&[second.clone(), first.clone()]);
        assert_eq!(view.first_of(&first.durable()), Some(first.clone()));
        view.has_no_result(&first.key());
        view.has_no_result(&second.key());
        assert_eq!(view.first_of(&first.durable()), None);
        view.listing(vec![first.clone(), second.clone()], false, view.mark());
        assert!(view.left(&first.key()) && !view.left(&first.key()));
        assert!(!view.is_current(AGE, 1));
        assert!(!view.left(&second.key()));
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
