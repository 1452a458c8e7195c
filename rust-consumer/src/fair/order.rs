//! Replays `contracts/fixtures/v1/order.json`, which says what each kind of step is; the filter replays it too.

use std::fs;
use std::path::Path;

use serde::Deserialize;
use uuid::Uuid;

use super::*;

#[derive(Deserialize)]
struct Fixture {
    interactive_share: u32,
    remembered_client_queues: usize,
    remembered_starts: usize,
    histories: Vec<History>,
}

#[derive(Deserialize)]
struct History {
    name: String,
    worker: Option<String>,
    steps: Vec<Step>,
}

#[derive(Deserialize)]
#[serde(untagged, deny_unknown_fields)]
enum Step {
    Starts {
        starts: String,
        model: Option<String>,
    },
    Arrives {
        arrives: String,
    },
    Takes {
        takes: Option<String>,
    },
    Ends {
        ends: String,
    },
    Crowd {
        crowd: [u32; 2],
    },
    Order {
        order: Vec<String>,
    },
}

/// CHAT and one worker's view of it.
#[derive(Clone)]
struct Replay {
    turns: Turns,
    model: Option<Token>,
    /// In the order of arrival; each as the fixture writes it, and whether it runs.
    chat: Vec<(String, bool)>,
}

/// `<lane>.<client>.<number>[.<model>]` as the end of an approved subject, its id a UUID.
fn parsed(request: &str) -> (Source, Uuid) {
    let mut parts: Vec<_> = request.split('.').map(str::to_owned).collect();
    let number = parts[2].parse().unwrap();
    parts[2] = Uuid::from_u128(number).to_string();
    let subject = format!("chat.approved.{}", parts.join("."));
    let (source, id) = Source::parse(&subject).unwrap();
    (source, id.parse().unwrap())
}

fn subject(request: &str) -> String {
    let (source, id) = parsed(request);
    source.filter().replace('*', &id.to_string())
}

impl Replay {
    fn starts(&mut self, request: &str, model: Option<&str>) {
        if let Some((_, runs)) = self.chat.iter_mut().find(|(known, _)| known == request) {
            *runs = true;
        }
        let (source, id) = parsed(request);
        let own = self.model.as_ref().map(Token::as_str);
        let ours = model.is_none() || model == own;
        self.turns.started(&source.line, &id.to_string(), ours);
    }

    /// Looks at CHAT, takes the first request that is to be had, and hears its own start.
    fn takes(&mut self) -> Option<String> {
        let subjects: Vec<_> = self.chat.iter().map(|(known, _)| subject(known)).collect();
        let waiting = lines(subjects.iter().map(String::as_str), self.model.as_ref());
        for source in self.turns.order(waiting) {
            let waits = |(known, runs): &&mut (String, bool)| !runs && parsed(known).0 == source;
            if let Some((request, runs)) = self.chat.iter_mut().find(waits) {
                *runs = true;
                let (request, id) = (request.clone(), parsed(request).1.to_string());
                self.turns.taken(&source, &id);
                self.turns.started(&source.line, &id, true);
                return Some(request);
            }
        }
        None
    }

    fn ends(&mut self, request: &str) {
        self.chat.retain(|(known, _)| known != request);
    }

    fn order(mut self) -> Vec<String> {
        let mut order = Vec::new();
        while let Some(request) = self.takes() {
            self.ends(&request);
            order.push(request);
        }
        order
    }
}

#[test]
fn the_histories_that_the_filter_replays_too() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../contracts/fixtures/v1/order.json");
    let fixture: Fixture = serde_json::from_slice(&fs::read(file).unwrap()).unwrap();
    assert_eq!(fixture.interactive_share, INTERACTIVE_SHARE);
    assert_eq!(fixture.remembered_client_queues, REMEMBERED_LINES);
    assert_eq!(fixture.remembered_starts, REMEMBERED_STARTS);
    for History {
        name,
        worker,
        steps,
    } in fixture.histories
    {
        let mut replay = Replay {
            turns: Turns::default(),
            model: worker.as_deref().and_then(Token::parse),
            chat: Vec::new(),
        };
        for (number, step) in steps.into_iter().enumerate() {
            match step {
                Step::Arrives { arrives } => replay.chat.push((arrives, false)),
                Step::Takes { takes } => assert_eq!(replay.takes(), takes, "{name}: {number}"),
                Step::Starts { starts, model } => replay.starts(&starts, model.as_deref()),
                Step::Ends { ends } => replay.ends(&ends),
                Step::Crowd { crowd: [from, to] } => {
                    (from..to).for_each(|n| replay.starts(&format!("interactive.c{n}.{n}"), None))
                }
                Step::Order { order } => {
                    assert_eq!(replay.clone().order(), order, "{name}: {number}");
                }
            }
        }
    }
}
