//! Whose turn it is. Pure: no network, no clock (DESIGN, decision 13).
//!
//! Lanes take turns 3:1; within a lane the client that was served longest ago is next.

use std::collections::{HashMap, VecDeque};

use crate::subjects::{APPROVED_PREFIX, Lane, Line};

/// So many interactive requests are begun for one of the batch lane, while both have work.
const INTERACTIVE_SHARE: u32 = 3;
/// A start is heard twice by who made it: so many are remembered to be counted once.
const REMEMBERED_STARTS: usize = 256;
/// Past so many clients those served longest ago are forgotten: forgotten or not, they are next.
const REMEMBERED_LINES: usize = 4096;

/// One line that has requests in the stream; some of them may be running.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting {
    /// Whose they are.
    pub line: Line,
    /// The least id among them: of those without a key, which are `UUIDv7`, the one that came first.
    pub first: String,
}

/// Sums up the subjects of approved requests by line; a subject that is none of a request is left out.
pub fn lines<'a>(subjects: impl Iterator<Item = &'a str>) -> Vec<Waiting> {
    let mut first: HashMap<Line, &str> = HashMap::new();
    for (line, id) in subjects.filter_map(|subject| Line::parse(APPROVED_PREFIX, subject)) {
        let least = first.entry(line).or_insert(id);
        *least = id.min(*least);
    }
    let waiting = first.into_iter().map(|(line, id)| Waiting {
        line,
        first: id.to_owned(),
    });
    waiting.collect()
}

/// Who was served when, as far as this process has heard: by all workers.
#[derive(Debug, Default)]
pub struct Turns {
    served: HashMap<Line, u64>,
    starts: u64,
    /// Interactive requests begun since the last of the batch lane.
    interactive: u32,
    recent: VecDeque<String>,
}

impl Turns {
    /// A worker, this one or another, has taken up the request `id`.
    pub fn started(&mut self, line: &Line, id: &str) {
        if self.recent.iter().any(|known| known == id) {
            return;
        }
        if self.recent.len() == REMEMBERED_STARTS {
            self.recent.pop_front();
        }
        self.recent.push_back(id.to_owned());
        self.interactive = match line.lane {
            Lane::Interactive => self.interactive.saturating_add(1),
            Lane::Batch => 0,
        };
        self.starts += 1;
        self.served.insert(line.clone(), self.starts);
        if self.served.len() > REMEMBERED_LINES {
            let half = self.starts - REMEMBERED_LINES as u64 / 2;
            self.served.retain(|_, start| *start > half);
        }
    }

    /// Puts the lines into the order in which they are to be tried.
    ///
    /// Those behind the first are for the case that the first one's requests are all running already.
    pub fn order(&mut self, waiting: Vec<Waiting>) -> Vec<Line> {
        let (mut interactive, mut batch): (Vec<_>, Vec<_>) = waiting
            .into_iter()
            .partition(|waiting| waiting.line.lane == Lane::Interactive);
        if batch.is_empty() {
            // The share counts while both have work: one that comes later does not push in at once.
            self.interactive = 0;
        }
        for lane in [&mut interactive, &mut batch] {
            lane.sort_by_cached_key(|waiting| {
                let served = self.served.get(&waiting.line).copied();
                (served, waiting.first.clone(), waiting.line.client.clone())
            });
        }
        let (first, second) = if self.interactive >= INTERACTIVE_SHARE {
            (batch, interactive)
        } else {
            (interactive, batch)
        };
        let ordered = first.into_iter().chain(second);
        ordered.map(|waiting| waiting.line).collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A queue in memory: client and lane of each request, in the order of arrival.
    struct Queue {
        turns: Turns,
        requests: Vec<String>,
    }

    impl Queue {
        fn new() -> Self {
            Self {
                turns: Turns::default(),
                requests: Vec::new(),
            }
        }

        fn add(&mut self, lane: &str, client: &str, count: usize) {
            for _ in 0..count {
                let number = self.requests.len();
                self.requests
                    .push(format!("chat.approved.{lane}.{client}.{number:08}"));
            }
        }

        /// Takes the next request as a worker does; returns its line.
        fn take(&mut self) -> Option<Line> {
            let waiting = lines(
                self.requests
                    .iter()
                    .map(String::as_str)
                    .filter(|s| !s.is_empty()),
            );
            let line = self.turns.order(waiting).into_iter().next()?;
            let prefix = line.filter().replace('*', "");
            let taken = self
                .requests
                .iter_mut()
                .find(|s| s.starts_with(&prefix))
                .unwrap();
            let id = taken.replace(&prefix, "");
            taken.clear();
            self.turns.started(&line, &id);
            self.turns.started(&line, &id); // its own event, heard
            Some(line)
        }

        fn names(&mut self, count: usize) -> Vec<String> {
            (0..count)
                .map_while(|_| self.take())
                .map(|line| line.consumer())
                .collect()
        }
    }

    /// Whoever was served longest ago is next; who never was comes first, in the order of arrival.
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

    /// What no filter has approved is not tried.
    #[test]
    fn other_subjects_are_left_out() {
        let subjects = [
            "chat.approved.batch.a",
            "chat.approved.express.a.1",
            "chat.approved.batch.a.1",
        ];
        assert_eq!(lines(subjects.into_iter()).len(), 1);
    }

    /// However many clients come, what is remembered is bounded, and the latest are not forgotten.
    #[test]
    fn memory_is_bounded() {
        let mut turns = Turns::default();
        for number in 0..3 * REMEMBERED_LINES {
            let line = Line {
                lane: Lane::Batch,
                client: number.to_string(),
            };
            turns.started(&line, &number.to_string());
            assert!(turns.served.contains_key(&line));
        }
        assert!(turns.served.len() <= REMEMBERED_LINES && turns.recent.len() <= REMEMBERED_STARTS);
    }

    proptest! {
        /// Whatever waits: a client's first request of the interactive lane waits for at most one request of
        /// each other client there, and a batch one for each three of these; and all are served in the end.
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
}
