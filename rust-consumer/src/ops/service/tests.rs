//! What is said of the service, from what is known of it.

use serde_json::{Value, json};

use super::*;
use crate::contract::messages::{Message as _, Reply};

fn identity() -> Identity {
    Identity {
        instance: "0a1b".to_owned(),
        concurrency: 1,
        started: OffsetDateTime::UNIX_EPOCH,
    }
}

fn ready() -> Status {
    let status = Status::default();
    status.set_connected(true);
    status.set_bound(true);
    status.saw_llama(Some("smol".to_owned()), None);
    status
}

/// What is not known yet is said to be so; then come the model, its speed, and whether it has
/// something to do.
#[tokio::test]
async fn the_description_says_what_is_known() {
    let nothing = describe(&Status::default().now());
    assert_eq!(
        nothing,
        "model not known yet, speed not measured yet, not ready: the bus does not answer"
    );
    let status = ready();
    assert_eq!(
        describe(&status.now()),
        "smol, speed not measured yet, idle"
    );
    let reply = json!({
        "response": "x",
        "id": "00000000-0000-0000-0000-000000000000",
        "timings": {"prompt_per_second": 210.0, "predicted_per_second": 31.46},
    });
    let reply = Reply::read(reply.to_string().as_bytes()).unwrap();
    status.served(Duration::from_secs(1), &reply);
    status.enter();
    assert_eq!(describe(&status.now()), "smol, 31.5 tokens/s, busy");
    status.leave();
    assert_eq!(describe(&status.now()), "smol, 31.5 tokens/s, idle");
}

/// The answers have the shapes of ADR-32; counts and times are of requests that had their final
/// reply.
#[tokio::test]
async fn the_answers_have_the_shapes_of_the_protocol() {
    let status = ready();
    status.enter();
    status.ended(Duration::from_secs(2), None);
    status.ended(Duration::from_secs(4), Some("model_failed"));
    let (identity, state) = (identity(), status.now());
    let service = |kind: &str| {
        json!({
            "type": format!("io.nats.micro.v1.{kind}_response"),
            "name": "stile-worker",
            "id": "0a1b",
            "version": env!("CARGO_PKG_VERSION"),
            "metadata": {"concurrency": "1", "model": "smol"},
        })
    };
    let endpoint = json!({"name": "chat", "subject": "chat.approved.>", "queue_group": "CHAT"});
    let with = |mut object: Value, more: Value| {
        let fields = more.as_object().unwrap().clone();
        object.as_object_mut().unwrap().extend(fields);
        object
    };
    let written = |answer: serde_json::Result<Value>| answer.unwrap();
    assert_eq!(
        written(serde_json::to_value(Ping::new(&identity, &state))),
        service("ping")
    );
    assert_eq!(
        written(serde_json::to_value(Info::new(&identity, &state))),
        with(
            service("info"),
            json!({"description": "smol, speed not measured yet, busy", "endpoints": [endpoint]})
        )
    );
    let counted = json!({
        "num_requests": 2,
        "num_errors": 1,
        "last_error": "model_failed",
        "processing_time": 6_000_000_000_u64,
        "average_processing_time": 3_000_000_000_u64,
        "data": {"ready": true, "in_hand": 1, "answered": 1, "failed": 1, "model": "smol"},
    });
    assert_eq!(
        written(serde_json::to_value(Stats::new(&identity, &state))),
        with(
            service("stats"),
            json!({"started": "1970-01-01T00:00:00Z", "endpoints": [with(endpoint, counted)]})
        )
    );
}
