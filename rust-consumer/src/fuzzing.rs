//! Whatever comes in from outside, no parser panics, grows without bound, or lets through what it
//! must not.
//!
//! Random bytes seldom come far into a parser: so most inputs here are well-formed ones, damaged.

use std::fmt::Debug;
use std::fs;
use std::path::Path;

use async_nats::HeaderMap;
use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::{Value, json};
use tokio::time::Instant;
use uuid::Uuid;

use crate::bus::jobs::Delivery;
use crate::contract::address::{Address, RequestKey};
use crate::contract::messages::{
    AcceptedEvent, ApprovedChat, ErrorReply, Heartbeat, Message, Reply, StartedEvent, TokenEvent,
};
use crate::contract::subjects::is_reply_allowed;
use crate::llama::answer::Answer;
use crate::llama::request::completion_request;
use crate::llama::sse::Parser;
use crate::worker::approval::{self, Keys};
use crate::worker::coalescer::Coalescer;
use crate::worker::job::Job;

/// One damage: where, how, and with what.
type Damage = (Index, u8, Vec<u8>);

fn damages() -> impl Strategy<Value = Vec<Damage>> {
    let text = prop_oneof![
        prop::collection::vec(any::<u8>(), 0..4),
        prop::sample::select(vec![
            "{",
            "}",
            "[",
            "]",
            ",",
            "\"",
            "\\u0000",
            "\\ud800",
            "null",
            "-1",
            "1e999",
            "\n",
            "\r",
            ".",
            ">",
            "*",
            " ",
            ":",
            "data",
            "\"index\":0",
            "é",
        ])
        .prop_map(|text| text.as_bytes().to_vec()),
    ];
    prop::collection::vec((any::<Index>(), any::<u8>(), text), 0..5)
}

fn damaged(whole: &[u8], damages: &[Damage]) -> Vec<u8> {
    let mut bytes = whole.to_vec();
    for (place, kind, with) in damages {
        let at = place.index(bytes.len() + 1);
        let end = (at + with.len()).min(bytes.len());
        match kind % 4 {
            0 => drop(bytes.splice(at..at, with.iter().copied())),
            1 => drop(bytes.splice(at..end, with.iter().copied())),
            2 => drop(bytes.drain(at..end)),
            _ => bytes.truncate(at),
        }
    }
    bytes
}

fn fixtures() -> Vec<Vec<u8>> {
    let v1 = Path::new(env!("CARGO_MANIFEST_DIR")).join("../contracts/fixtures/v1");
    let mut folders = vec![v1.join("valid"), v1.join("invalid")];
    let mut bodies = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                bodies.push(fs::read(path).unwrap());
            }
        }
    }
    bodies
}

/// What can be read can be written, in about as many bytes, and reads as the same again.
fn survives<M: Message + PartialEq + Debug>(body: &[u8]) {
    if let Ok(message) = M::read(body) {
        let written = message.write().unwrap();
        assert!(written.len() <= 8 * body.len() + 256, "{message:?}");
        assert_eq!(M::read(&written).unwrap(), message);
    }
}

/// A header's value as it can come off the bus: one line.
fn value() -> impl Strategy<Value = String> {
    prop_oneof![
        "[^\r\n]{0,40}",
        prop::sample::select(vec![
            "alice",
            "token",
            "none",
            "batch",
            "_R_.a.b",
            "_INBOX_gateway.x",
            "99999999999999",
            "0",
            "",
            "01920f3c-7a51-7c3e-8f00-0123456789ab",
            "aee2120b6c5c4254",
        ])
        .prop_map(str::to_owned),
    ]
}

fn delivery() -> impl Strategy<Value = Delivery> {
    let names = prop::sample::subsequence(
        vec![
            "Chat-Id",
            "Chat-Client",
            "Chat-Lane",
            "Chat-Deadline",
            "Chat-Reply-To",
            "Chat-Events",
            "Chat-Policy",
            "Chat-Body-SHA256",
            "Chat-Signature",
            "Chat-Signing-Key",
            "traceparent",
        ],
        0..=11,
    );
    let subject = prop_oneof![
        "chat\\.approved\\.(batch|interactive|x)\\.[a-z*>-]{0,70}\\.01920f3c-7a51-7c3e-8f00-0123456789ab([.][a-zA-Z=0-9*>.-]{0,9})?",
        "(chat|approved|batch|[.]|[^ \r\n]){0,12}",
    ];
    let body = prop::sample::select(vec![
        "{}",
        "",
        "[",
        r#"{"messages":[{"role":"user","content":"x"}]}"#,
    ]);
    (names, prop::collection::vec(value(), 11), subject, body).prop_map(
        |(names, values, subject, body)| {
            let mut headers = HeaderMap::new();
            for (name, value) in names.into_iter().zip(values) {
                headers.insert(name, value);
            }
            Delivery::for_test(&subject, headers, body)
        },
    )
}

/// A delta as llama.cpp may send it: text, a call's beginning or more of it, logprobs.
fn delta() -> impl Strategy<Value = Value> {
    let call =
        (0_u32..3, any::<bool>(), "[a-z\"{}]{0,4}").prop_map(|(index, begins, arguments)| {
            let function = if begins {
                json!({"name": "f", "arguments": arguments})
            } else {
                json!({ "arguments": arguments })
            };
            let mut delta = json!({"index": index, "function": function});
            if begins {
                delta["id"] = json!("c");
            }
            json!({"delta": {"tool_calls": [delta]}})
        });
    prop_oneof![
        "[a-zé]{0,4}".prop_map(|text| json!({"delta": {"content": text}})),
        "[a-z]{1,4}".prop_map(|text| json!({"delta": {"content": text},
                                            "logprobs": {"content": [{"token": text}]}})),
        call,
    ]
}

fn event(choice: &Value) -> Vec<u8> {
    json!({ "choices": [choice] }).to_string().into_bytes()
}

proptest! {
    /// Messages: every fixture, damaged, read as every message.
    #[test]
    fn messages(body in prop::sample::select(fixtures()), damages in damages()) {
        let body = damaged(&body, &damages);
        survives::<ApprovedChat>(&body);
        survives::<Reply>(&body);
        survives::<ErrorReply>(&body);
        survives::<AcceptedEvent>(&body);
        survives::<StartedEvent>(&body);
        survives::<TokenEvent>(&body);
        survives::<Heartbeat>(&body);
    }

    /// Server-sent events: cut anywhere, any bytes give the same events, and no more than came in
    /// is kept.
    #[test]
    fn events(damages in damages(), cuts in prop::collection::vec(1_usize..12, 1..8)) {
        let whole = b": ping\n\ndata: {\"a\":1}\r\n\r\nid: 7\ndata: two\ndata:three\n\rdata\n\ndata: [DONE]\n\n";
        let body = damaged(whole, &damages);
        let mut parser = Parser::default();
        let expected = parser.feed(&body);
        let told: usize = expected.iter().map(Vec::len).sum();
        prop_assert!(told + parser.pending() <= body.len());
        let (mut parser, mut events, mut rest) = (Parser::default(), Vec::new(), &body[..]);
        for size in cuts.iter().cycle() {
            let (piece, later) = rest.split_at((*size).min(rest.len()));
            events.extend(parser.feed(piece));
            rest = later;
            if rest.is_empty() {
                break;
            }
        }
        prop_assert_eq!(events, expected);
    }

    /// An answer: events of its stream, damaged, are an answer or a failure; its text is the sum of
    /// its pieces.
    #[test]
    fn answers(deltas in prop::collection::vec((delta(), damages()), 0..8)) {
        let mut answer = Answer::default();
        let (mut told, mut came) = (String::new(), 0);
        for (delta, damages) in &deltas {
            let data = damaged(&event(delta), damages);
            came += data.len();
            match answer.push(&data) {
                Ok(piece) => told.push_str(&piece.unwrap_or_default().text),
                Err(_) => return Ok(()),
            }
        }
        if let Ok(reply) = answer.into_reply(Uuid::nil()) {
            prop_assert!(reply.response.len() <= came);
            prop_assert_eq!(reply.response, told);
        }
    }

    /// Pieces: coalesced or one by one, they add up to the same answer.
    #[test]
    fn coalesced_pieces(deltas in prop::collection::vec(delta(), 0..12)) {
        let end = event(&json!({"delta": {}, "finish_reason": "stop"}));
        let (mut each, mut together) = (Answer::default(), Answer::default());
        let (mut pieces, now, mut told) = (Coalescer::default(), Instant::now(), Vec::new());
        for delta in &deltas {
            match each.push(&event(delta)) {
                Ok(piece) => told.extend(piece.and_then(|piece| pieces.push(piece, now))),
                Err(_) => return Ok(()),
            }
        }
        told.extend(pieces.take(now));
        prop_assert!(told.len() <= 2);
        for piece in told {
            let choice = json!({"delta": {"content": piece.text, "tool_calls": piece.tool_calls},
                                "logprobs": piece.logprobs});
            together.push(&event(&choice)).unwrap();
        }
        each.push(&end).unwrap();
        together.push(&end).unwrap();
        let (each, together) = (each.into_reply(Uuid::nil()), together.into_reply(Uuid::nil()));
        prop_assert_eq!(each.is_ok(), together.is_ok());
        prop_assert_eq!(each.ok(), together.ok());
    }

    /// Headers: whatever they hold, an answer goes only where answers may go, and its result has
    /// one place.
    #[test]
    fn jobs(delivery in delivery()) {
        if let Ok(job) = Job::verify(&delivery, None) {
            prop_assert!(job.envelope.reply_to.as_deref().is_none_or(is_reply_allowed));
            let result = job.envelope.address.result();
            prop_assert_eq!(result.split('.').count(), 4);
            prop_assert!(!result.contains(['*', '>', ' ']));
            let _ = job.read();
        }
    }

    /// Approvals: whatever one holds, llama.cpp is sent its messages, streamed, and no field by
    /// another name.
    #[test]
    fn completion_requests(body in prop::sample::select(fixtures()), damages in damages()) {
        if let Ok(chat) = ApprovedChat::read(&damaged(&body, &damages)) {
            let sent = completion_request(&chat, Uuid::nil()).unwrap();
            let sent: Value = serde_json::from_slice(&sent).unwrap();
            prop_assert_eq!(&sent["messages"], &json!(chat.messages));
            prop_assert_eq!(&sent["stream"], &json!(true));
            prop_assert!(!sent["seed"].is_null());
            prop_assert!(sent.as_object().unwrap().len() <= 4 + 12 + 6);
        }
    }

    /// Subjects: an address is put together again as it was taken apart, within its bounds.
    #[test]
    fn subjects(delivery in delivery()) {
        if let Some(address) = &delivery.address {
            let durable = address.durable();
            let subject = durable.filter().replace('*', &address.id.to_string());
            prop_assert_eq!(subject, &*delivery.subject);
            prop_assert!(durable.name().len() <= 205 && !durable.name().contains('.'));
        }
        let _ = Address::parse_started(&delivery.subject);
        let _ = RequestKey::parse_cancelled(&delivery.subject);
    }

    /// Signatures: nothing that is made up is verified, and no text is a file of keys unless it
    /// holds some.
    #[test]
    fn signatures(delivery in delivery(), damages in damages()) {
        let line = "aee2120b6c5c4254 xliMYcvkWfTbGKWuwZ9Ckcdt0UMhoC4YokEaWHNEVsE\n";
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), damaged(line.as_bytes(), &damages)).unwrap();
        if let Ok(keys) = Keys::open(file.path().to_str().unwrap()) {
            prop_assert!(approval::verify(&keys, &delivery).is_err());
        }
    }
}

/// Deep nesting is refused, not followed until the stack is full.
#[test]
fn depth_is_bounded() {
    for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
        let deep = format!("{}1{}", open.repeat(100_000), close.repeat(100_000));
        let body = format!(
            r#"{{"messages":[{{"role":"user","content":"x"}}],"output":{{"tool_choice":{deep}}}}}"#
        );
        assert!(ApprovedChat::read(body.as_bytes()).is_err());
        let event =
            format!(r#"{{"choices":[{{"delta":{{}},"logprobs":{{"content":[{deep}]}}}}]}}"#);
        assert!(Answer::default().push(event.as_bytes()).is_err());
    }
}
