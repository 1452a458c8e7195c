//! Replays `contracts/fixtures/v1/order.json`, which explains each kind of step; the filter replays
//! it too.

use std::fs;
use std::path::Path;

use serde::Deserialize;

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
    order: ServiceOrder,
    model: Option<ModelToken>,
    /// In the order of arrival; each as the fixture writes it, and whether it runs.
    chat: Vec<(String, bool)>,
}

/// Parses `<lane>.<client>.<number>[.<model>]` as the end of an approved subject, its id a UUID.
fn parsed(request: &str) -> Address {
    let mut parts: Vec<_> = request.split('.').map(str::to_owned).collect();
    parts[2] = Uuid::from_u128(parts[2].parse().unwrap()).to_string();
    Address::parse(&format!("chat.approved.{}", parts.join("."))).unwrap()
}

impl Replay {
    fn starts(&mut self, request: &str, model: Option<&str>) {
        if let Some((_, runs)) = self.chat.iter_mut().find(|(known, _)| known == request) {
            *runs = true;
        }
        let own = self.model.as_ref().map(ModelToken::as_str);
        let ours = model.is_none() || model == own;
        self.order.started(&parsed(request), ours);
    }

    /// Looks at CHAT, takes the first request that is to be had, and receives the event of its own
    /// start.
    fn takes(&mut self) -> Option<String> {
        let addresses: Vec<_> = self.chat.iter().map(|(known, _)| parsed(known)).collect();
        let waiting = waiting_queues(&addresses, self.model.as_ref());
        for durable in self.order.order(waiting) {
            let waits =
                |(known, runs): &&mut (String, bool)| !*runs && parsed(known).durable() == durable;
            if let Some((request, runs)) = self.chat.iter_mut().find(waits) {
                *runs = true;
                let request = request.clone();
                self.order.taken(&parsed(&request));
                self.order.started(&parsed(&request), true);
                return Some(request);
            }
        }
        None
    }

    fn ends(&mut self, request: &str) {
        self.chat.retain(|(known, _)| known != request);
    }

    fn rest(mut self) -> Vec<String> {
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
    assert_eq!(fixture.remembered_client_queues, REMEMBERED_CLIENT_QUEUES);
    assert_eq!(fixture.remembered_starts, REMEMBERED_STARTS);
    for History {
        name,
        worker,
        steps,
    } in fixture.histories
    {
        let mut replay = Replay {
            order: ServiceOrder::default(),
            model: worker.as_deref().and_then(ModelToken::parse),
            chat: Vec::new(),
        };
        for (number, step) in steps.into_iter().enumerate() {
            match step {
                Step::Arrives { arrives } => replay.chat.push((arrives, false)),
                Step::Takes { takes } => assert_eq!(replay.takes(), takes, "{name}: {number}"),
                Step::Starts { starts, model } => replay.starts(&starts, model.as_deref()),
                Step::Ends { ends } => replay.ends(&ends),
                Step::Crowd { crowd: [from, to] } => {
                    (from..to).for_each(|n| replay.starts(&format!("interactive.c{n}.{n}"), None));
                }
                Step::Order { order } => {
                    assert_eq!(replay.clone().rest(), order, "{name}: {number}");
                }
            }
        }
    }
}
