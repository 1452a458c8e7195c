//! Whose turn it is. Pure: no network, no clock (DESIGN, decision 13).
//!
//! Lanes take turns 3:1; within a lane the client that was served longest ago is next. A client's requests for the
//! worker's own model and those for any have one turn together, and take it by turns.

use std::collections::{HashMap, VecDeque};

use crate::model::Token;
use crate::source::Source;
use crate::subjects::{Lane, Line};

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
    /// Where they are pulled from, one or two.
    pub sources: Vec<Held>,
}

/// What a source has in the stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// The source.
    pub source: Source,
    /// The least id among its requests: of those without a key, which are `UUIDv7`, the one that came first.
    pub first: String,
}

impl Waiting {
    /// The least id of the line.
    fn first(&self) -> Option<&str> {
        self.sources.iter().map(|held| held.first.as_str()).min()
    }
}

/// Sums up by line the subjects of approved requests that `model` may answer: those that name it, and those that
/// name none. What is for another model, or is none of a request, is left out.
pub fn lines<'a>(subjects: impl Iterator<Item = &'a str>, model: Option<&Token>) -> Vec<Waiting> {
    let mut first: HashMap<Source, &str> = HashMap::new();
    for (source, id) in subjects.filter_map(Source::parse) {
        if source.model.is_none() || source.model.as_ref() == model {
            let least = first.entry(source).or_insert(id);
            *least = id.min(*least);
        }
    }
    let mut lines: HashMap<Line, Vec<Held>> = HashMap::new();
    for (source, id) in first {
        let held = Held {
            first: id.to_owned(),
            source,
        };
        lines
            .entry(held.source.line.clone())
            .or_default()
            .push(held);
    }
    let waiting = lines.into_iter();
    waiting
        .map(|(line, sources)| Waiting { line, sources })
        .collect()
}

/// When a line was served last.
#[derive(Debug, Default)]
struct Served {
    start: u64,
    /// Whether this process took a request that names a model; `None` where it took none yet.
    by_name: Option<bool>,
}

/// Who was served when, as far as this process has heard: by all workers.
#[derive(Debug, Default)]
pub struct Turns {
    served: HashMap<Line, Served>,
    starts: u64,
    /// Interactive requests begun since the last of the batch lane.
    interactive: u32,
    recent: VecDeque<String>,
}

impl Turns {
    /// A worker of this process has taken up the request `id`.
    pub fn taken(&mut self, source: &Source, id: &str) {
        self.started(&source.line, id, true);
        if let Some(served) = self.served.get_mut(&source.line) {
            served.by_name = Some(source.model.is_some());
        }
    }

    /// A worker, this one or another, has taken up the request `id`; `ours` tells whether its model is this
    /// process's. The lanes' share counts those alone: else a busy model's starts would use up another's.
    pub fn started(&mut self, line: &Line, id: &str, ours: bool) {
        if self.recent.iter().any(|known| known == id) {
            return;
        }
        if self.recent.len() == REMEMBERED_STARTS {
            self.recent.pop_front();
        }
        self.recent.push_back(id.to_owned());
        if ours {
            self.interactive = match line.lane {
                Lane::Interactive => self.interactive.saturating_add(1),
                Lane::Batch => 0,
            };
        }
        self.starts += 1;
        self.served.entry(line.clone()).or_default().start = self.starts;
        if self.served.len() > REMEMBERED_LINES {
            let half = self.starts - REMEMBERED_LINES as u64 / 2;
            self.served.retain(|_, served| served.start > half);
        }
    }

    /// Puts the sources of the lines into the order in which they are to be tried.
    ///
    /// Those behind the first are for the case that the first one's requests are all running already.
    pub fn order(&mut self, waiting: Vec<Waiting>) -> Vec<Source> {
        let (mut interactive, mut batch): (Vec<_>, Vec<_>) = waiting
            .into_iter()
            .partition(|waiting| waiting.line.lane == Lane::Interactive);
        if batch.is_empty() {
            // The share counts while both have work: one that comes later does not push in at once.
            self.interactive = 0;
        }
        for lane in [&mut interactive, &mut batch] {
            lane.sort_by_cached_key(|waiting| {
                let served = self.served.get(&waiting.line).map(|served| served.start);
                let first = waiting.first().map(str::to_owned);
                (served, first, waiting.line.client.clone())
            });
        }
        let (first, second) = if self.interactive >= INTERACTIVE_SHARE {
            (batch, interactive)
        } else {
            (interactive, batch)
        };
        let ordered = first.into_iter().chain(second);
        ordered.flat_map(|waiting| self.sources(waiting)).collect()
    }

    /// Of a line's two sources the one that this process did not pull from last; before that, the one whose
    /// request came first. Ids of requests with a key tell no time, so to go by them alone could starve one.
    fn sources(&self, waiting: Waiting) -> impl Iterator<Item = Source> + use<> {
        let served = self.served.get(&waiting.line);
        let last = served.and_then(|served| served.by_name);
        let mut sources = waiting.sources;
        sources.sort_by_cached_key(|held| {
            let was_last = last == Some(held.source.model.is_some());
            (was_last, held.first.clone())
        });
        sources.into_iter().map(|held| held.source)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A queue in memory: the subject of each request, in the order of arrival; its worker's model is `own`.
    struct Queue {
        turns: Turns,
        requests: Vec<String>,
    }

    fn own() -> Token {
        Token::of("own").unwrap()
    }

    impl Queue {
        fn new() -> Self {
            Self {
                turns: Turns::default(),
                requests: Vec::new(),
            }
        }

        fn add(&mut self, lane: &str, client: &str, count: usize) {
            self.add_for("", lane, client, count);
        }

        /// Adds requests that name a model: `end` is a dot and its token.
        fn add_for(&mut self, end: &str, lane: &str, client: &str, count: usize) {
            for _ in 0..count {
                let number = self.requests.len();
                let subject = format!("chat.approved.{lane}.{client}.{number:08}{end}");
                self.requests.push(subject);
            }
        }

        /// Takes the next request as a worker does; returns its source.
        fn take(&mut self) -> Option<Source> {
            let subjects = self.requests.iter().map(String::as_str);
            let waiting = lines(subjects.filter(|s| !s.is_empty()), Some(&own()));
            let source = self.turns.order(waiting).into_iter().next()?;
            let is_its = |s: &String| Source::parse(s).is_some_and(|(its, _)| its == source);
            let taken = self.requests.iter_mut().find(|s| is_its(s)).unwrap();
            let subject = std::mem::take(taken);
            let (_, id) = Source::parse(&subject).unwrap();
            self.turns.taken(&source, id);
            self.turns.started(&source.line, id, true); // its own event, heard
            Some(source)
        }

        fn names(&mut self, count: usize) -> Vec<String> {
            (0..count)
                .map_while(|_| self.take())
                .map(|source| source.consumer())
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

    /// A client's requests for the worker's model and those for any have one turn together, and take it by turns:
    /// whatever their ids are, neither starves the other.
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
        let subjects = ["chat.approved.batch.a.1.own", "chat.approved.batch.a.2"];
        let [line] = lines(subjects.into_iter(), None).try_into().unwrap();
        assert_eq!(
            line.sources.len(),
            1,
            "a worker without a name takes what names none"
        );
        assert_eq!(line.first(), Some("2"));
    }

    /// The starts of a busy model count for whose turn it is, and not for the lanes' share of another.
    #[test]
    fn another_models_starts_use_up_no_share() {
        let mut queue = Queue::new();
        queue.add("batch", "night", 2);
        queue.add("interactive", "a", 4);
        for number in 0..9 {
            let (line, _) = Line::parse("", "interactive.x.1").unwrap();
            queue
                .turns
                .started(&line, &format!("other {number}"), false);
        }
        let order = queue.names(5).join(" ").replace("interactive-", "");
        assert_eq!(order, "a a a batch-night a");
    }

    /// What no filter has approved is not tried.
    #[test]
    fn other_subjects_are_left_out() {
        let subjects = [
            "chat.approved.batch.a",
            "chat.approved.express.a.1",
            "chat.approved.batch.a.1",
        ];
        assert_eq!(lines(subjects.into_iter(), None).len(), 1);
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
            turns.started(&line, &number.to_string(), true);
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
