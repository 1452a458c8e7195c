use proptest::prelude::*;

use super::*;

/// A queue in memory: its requests, in the order of arrival; its worker's model is `own`.
struct Queue {
    order: ServiceOrder,
    requests: Vec<Address>,
    added: u128,
}

fn own() -> ModelToken {
    ModelToken::of("own").unwrap()
}

fn address(lane: &str, client: &str, number: u128, end: &str) -> Address {
    let id = Uuid::from_u128(number);
    Address::parse(&format!("chat.approved.{lane}.{client}.{id}{end}")).unwrap()
}

impl Queue {
    fn new() -> Self {
        Self {
            order: ServiceOrder::default(),
            requests: Vec::new(),
            added: 0,
        }
    }

    fn add(&mut self, lane: &str, client: &str, count: usize) {
        self.add_for("", lane, client, count);
    }

    /// Adds requests that name a model: `end` is a dot and its token.
    fn add_for(&mut self, end: &str, lane: &str, client: &str, count: usize) {
        for _ in 0..count {
            self.requests.push(address(lane, client, self.added, end));
            self.added += 1;
        }
    }

    /// Takes the next request as a worker does.
    fn take(&mut self) -> Option<Durable> {
        let waiting = waiting_queues(&self.requests, Some(&own()));
        let durable = self.order.order(waiting).into_iter().next()?;
        let is_its = |address: &Address| address.durable() == durable;
        let taken = self.requests.iter().position(is_its).unwrap();
        let address = self.requests.remove(taken);
        self.order.taken(&address);
        self.order.started(&address, true); // its own event
        Some(durable)
    }

    fn names(&mut self, count: usize) -> Vec<String> {
        (0..count)
            .map_while(|_| self.take())
            .map(|durable| durable.name())
            .collect()
    }
}

/// The client that was served longest ago is next; one that never was comes first, in the order of
/// arrival.
#[test]
fn clients_take_turns() {
    let mut queue = Queue::new();
    queue.add("interactive", "greedy", 8);
    assert_eq!(queue.names(1), ["interactive-greedy"]);
    queue.add("interactive", "c", 2);
    queue.add("interactive", "a", 1);
    queue.add("interactive", "b", 1);
    let order = queue.names(7).join(" ").replace("interactive-", "");
    assert_eq!(order, "c a b greedy c greedy greedy");
}

/// Three interactive requests, the running one among them, then one of the batch lane.
#[test]
fn lanes_take_turns() {
    let mut queue = Queue::new();
    queue.add("interactive", "a", 7);
    assert_eq!(queue.names(1), ["interactive-a"]);
    queue.add("batch", "b", 4);
    let order = queue
        .names(10)
        .join(" ")
        .replace("-a", "")
        .replace("-b", "");
    assert_eq!(
        order,
        "interactive interactive batch interactive interactive interactive batch interactive batch batch"
    );
}

/// A lane without competition does not save its share up: what comes later does not push in.
#[test]
fn a_batch_request_that_comes_later_waits_its_share() {
    let mut queue = Queue::new();
    queue.add("interactive", "a", 20);
    queue.names(10);
    queue.add("batch", "b", 1);
    assert_eq!(queue.names(1), ["interactive-a"]);
}

/// A client's requests for the worker's model and those for any have one turn together, and take it
/// by turns: whatever their ids are, neither starves the other.
#[test]
fn named_and_unnamed_requests_share_their_clients_turn() {
    let mut queue = Queue::new();
    queue.add("interactive", "a", 4);
    queue.add_for(".own", "interactive", "a", 3);
    queue.add("interactive", "b", 3);
    let order = queue.names(10).join(" ").replace("interactive-", "");
    assert_eq!(order, "a b a=own b a b a=own a a=own a");
}

/// What is for another model is not this worker's, and holds up nothing.
#[test]
fn other_models_requests_are_left_out() {
    let mut queue = Queue::new();
    queue.add_for(".other", "interactive", "a", 3);
    queue.add_for(".own", "interactive", "a", 1);
    assert_eq!(queue.names(4), ["interactive-a=own"]);
    let waiting = [
        address("batch", "a", 1, ".own"),
        address("batch", "a", 2, ""),
    ];
    let [queue] = waiting_queues(&waiting, None)
        .collect::<Vec<_>>()
        .try_into()
        .unwrap();
    assert_eq!(
        queue.durables.len(),
        1,
        "a worker without a name takes what names none"
    );
    assert_eq!(queue.least_id(), Some(Uuid::from_u128(2)));
}

/// The starts of a busy model count for whose turn it is, and not for the lanes' share of another.
#[test]
fn another_models_starts_use_up_no_share() {
    let mut queue = Queue::new();
    queue.add("batch", "night", 2);
    queue.add("interactive", "a", 4);
    for number in 0..9 {
        let start = address("interactive", "x", 100 + number, "");
        queue.order.started(&start, false);
    }
    let order = queue.names(5).join(" ").replace("interactive-", "");
    assert_eq!(order, "a a a batch-night a");
}

/// However many clients come, what is remembered is bounded, and the latest are not forgotten.
#[test]
fn memory_is_bounded() {
    let mut order = ServiceOrder::default();
    for number in 0..3 * REMEMBERED_CLIENT_QUEUES as u128 {
        let start = address("batch", &number.to_string(), number, "");
        order.started(&start, true);
        assert!(order.served.contains_key(&start.queue()));
    }
    assert!(order.served.len() <= REMEMBERED_CLIENT_QUEUES);
    assert!(order.recent.len() <= REMEMBERED_STARTS);
}

proptest! {
    /// Whatever waits: a client's first request of the interactive lane waits for at most one
    /// request of each other client there, and a batch one for each three of these; and all are
    /// served in the end.
    #[test]
    fn nobody_waits_longer_than_their_turn(
        counts in prop::collection::vec(1_usize..9, 1..6), batch in 0_usize..6,
    ) {
        let mut queue = Queue::new();
        for (client, count) in counts.iter().enumerate() {
            queue.add("interactive", &format!("c{client}"), *count);
        }
        queue.add("batch", "b", batch);
        let order = queue.names(usize::MAX);
        prop_assert_eq!(order.len(), counts.iter().sum::<usize>() + batch);
        for client in 0..counts.len() {
            let place = order.iter().position(|name| *name == format!("interactive-c{client}")).unwrap();
            prop_assert!(place < counts.len() + counts.len().div_ceil(3));
        }
    }
}
