//! The fixtures of `contracts/` that Python and Rust must both pass.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)] // a failing helper is a failing test

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use stile_consumer::contract::messages::{
    AcceptedEvent, AnswerCheck, AnswerVerdict, ApprovedChat, ErrorReply, Heartbeat, LogRecord,
    Message, Reply, StartedEvent, TokenEvent,
};
use stile_consumer::contract::{headers, subjects};
use stile_consumer::error::ErrorCode;

/// Invalid approvals that are read here all the same: the filter has checked and signed these
/// values (docs/adr/0026), and llama.cpp refuses what it cannot use.
const CHECKED_BY_THE_FILTER: [&str; 3] = [
    "call_id_too_long.json",
    "seed_negative.json",
    "top_k_is_text.json",
];

fn v1() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../contracts/fixtures/v1")
}

fn bodies(kind: &str, name: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let folder = v1().join(kind).join(name);
    let files =
        fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let bodies: Vec<_> = files
        .map(|entry| entry.unwrap().path())
        .map(|path| (path.clone(), fs::read(path).unwrap()))
        .collect();
    assert!(!bodies.is_empty(), "{} has no fixtures", folder.display());
    bodies
}

fn holds<M: Message + PartialEq + std::fmt::Debug>(name: &str) {
    for (path, body) in bodies("valid", name) {
        let message = M::read(&body).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let again = M::read(&message.write().unwrap()).unwrap();
        assert_eq!(again, message, "{}", path.display());
    }
    for (path, body) in bodies("invalid", name) {
        let is_checked = CHECKED_BY_THE_FILTER
            .iter()
            .any(|file| path.ends_with(file));
        let expected = name == "approved" && is_checked;
        assert_eq!(M::read(&body).is_ok(), expected, "{}", path.display());
    }
}

/// What is valid is read and survives being written; what is invalid is not read. `request` is not
/// among them: the filter alone reads requests.
#[test]
fn every_message_passes_its_fixtures() {
    holds::<ApprovedChat>("approved");
    holds::<Reply>("reply");
    holds::<ErrorReply>("error");
    holds::<AcceptedEvent>("accepted");
    holds::<StartedEvent>("started");
    holds::<TokenEvent>("token");
    holds::<Heartbeat>("heartbeat");
    holds::<AnswerCheck>("answer_check");
    holds::<AnswerVerdict>("answer_verdict");
    holds::<LogRecord>("log_record");
}

#[derive(Debug, PartialEq, Deserialize)]
struct Kind {
    status: u16,
    r#final: bool,
}

/// The two tables of errors are one: each code with its status and finality, and no code on one
/// side only.
#[test]
fn the_error_tables_are_equal() {
    let python: BTreeMap<String, Kind> =
        serde_json::from_slice(&fs::read(v1().join("errors.json")).unwrap()).unwrap();
    let rust: BTreeMap<String, Kind> = ErrorCode::TABLE
        .into_iter()
        .map(|(_, name, status, r#final)| (name.to_owned(), Kind { status, r#final }))
        .collect();
    assert_eq!(rust, python);
}

#[derive(Deserialize)]
struct Case {
    name: String,
    text: String,
    read: bool,
}

/// What Python reads of JSON is read here, and what it refuses is refused.
#[test]
fn json_is_read_as_in_python() {
    let cases: Vec<Case> =
        serde_json::from_slice(&fs::read(v1().join("json.json")).unwrap()).unwrap();
    for Case { name, text, read } in cases {
        let value = serde_json::from_str::<serde_json::Value>(&text);
        assert_eq!(value.is_ok(), read, "{name}");
    }
}

/// Subjects and headers are spelt as in `contracts/src`: a name that changes there is missed here.
#[test]
fn names_are_spelt_as_in_python() {
    let source = |file: &str| {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../contracts/src/stile_contracts");
        fs::read_to_string(path.join(file)).unwrap()
    };
    for name in [
        headers::CHAT_ID,
        headers::CHAT_CLIENT,
        headers::CHAT_DEADLINE,
        headers::CHAT_REPLY_TO,
        headers::CHAT_EVENTS,
        headers::CHAT_EVENT,
        headers::CHAT_ATTEMPT,
        headers::CHAT_SEQ,
        headers::CHAT_LANE,
        headers::CHAT_POLICY,
        headers::CHAT_SIGNATURE,
        headers::CHAT_SIGNING_KEY,
        headers::CHAT_BODY_SHA256,
        headers::CHAT_DEAD_REASON,
        headers::CHAT_DEAD_AT,
        headers::TRACEPARENT,
        headers::NATS_ERROR_CODE,
        headers::NATS_ERROR,
    ] {
        assert!(
            source("headers.py").contains(&format!("= \"{name}\"")),
            "{name}"
        );
    }
    for name in [
        subjects::CHAT_STREAM,
        subjects::RESULT_STREAM,
        subjects::WAKE,
        subjects::CANCELLED,
        subjects::STARTED,
        subjects::FINISHED,
        subjects::HEARTBEAT,
        subjects::HOLD,
        subjects::ANSWER_CHECKS,
        subjects::ANSWER_INBOX,
    ] {
        assert!(
            source("subjects.py").contains(&format!("= \"{name}\"")),
            "{name}"
        );
    }
}
