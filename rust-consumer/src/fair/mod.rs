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
/// Beyond this many client queues the least recently served one is forgotten: it is next either way.
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
#[derive(Debug, Clone, Default)]
struct Served {
    start: u64,
    /// Whether this process took a request that names a model; `None` where it took none yet.
    by_name: Option<bool>,
}

/// Who was served when, as far as this process has heard: by all workers.
#[derive(Debug, Clone, Default)]
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
            let oldest = self.served.iter().min_by_key(|(_, served)| served.start);
            if let Some(oldest) = oldest.map(|(line, _)| line.clone()) {
                self.served.remove(&oldest);
            }
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
mod order;
#[cfg(test)]
mod tests;
