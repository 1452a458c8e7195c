//! What a requester receives when something goes wrong.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{Bus, Consumer, ReplyEvent, Request, Standin, free_port, until};

fn assert_error(reply: &ReplyEvent, code: &str, status: u16) {
    assert_eq!(reply.event, "error");
    let header = |name: &str| reply.headers.get(name).unwrap().as_str().to_owned();
    assert_eq!(header("Nats-Service-Error"), code);
    assert_eq!(header("Nats-Service-Error-Code"), status.to_string());
    assert_eq!(reply.body["error"]["code"], code);
    assert_eq!(reply.body["error"]["final"], true);
}

/// What cannot be read is answered, stored as the request's outcome, terminated and counted.
#[tokio::test]
async fn a_malformed_message_is_answered_and_terminated() {
    let (bus, model) = (Bus::start().await, Standin::start(&[]).await);
    let consumer = Consumer::start(&bus, model.port, &[]);
    for body in ["{", "[]", r#"{"messages": []}"#, "\u{0}"] {
        let request = Request {
            body: body.to_owned(),
            ..Request::with_events("", "token")
        };
        let mut replies = bus.approve(&request).await;
        let reply = replies.next().await;
        assert_error(&reply, "malformed_message", 500);
        assert!(
            replies.message().await.payload.is_empty(),
            "the stream is ended"
        );
        assert_eq!(bus.stored(&request).await, Some(reply.body));
    }
    bus.is_empty().await;
    assert_eq!(model.outcomes().await, [""; 0]);
    let (_, page) = consumer.get("/metrics").await.unwrap();
    assert!(
        page.contains("jobs_total{outcome=\"malformed_message\"} 4"),
        "{page}"
    );
    consumer.stop().await;
}

/// Nothing is sent to a subject that is no reply subject, whoever named it; the message is
/// terminated.
#[tokio::test]
async fn a_bad_reply_subject_hears_nothing() {
    let (bus, model) = (Bus::start().await, Standin::start(&[]).await);
    let consumer = Consumer::start(&bus, model.port, &[]);
    let request = Request {
        reply_to: "chat.result.alice.other".to_owned(),
        ..Request::new("Hi")
    };
    let mut replies = bus.approve(&request).await;
    bus.is_empty().await;
    assert!(replies.is_quiet().await);
    assert_eq!(bus.stored(&request).await, None);
    assert_eq!(model.outcomes().await, [""; 0]);
    let (_, page) = consumer.get("/metrics").await.unwrap();
    assert!(
        page.contains("jobs_total{outcome=\"reply_not_allowed\"} 1"),
        "{page}"
    );
    consumer.stop().await;
}

/// A request whose deadline has passed in the queue never reaches the model.
#[tokio::test]
async fn an_expired_request_is_not_generated() {
    let (bus, model) = (Bus::start().await, Standin::start(&[]).await);
    let consumer = Consumer::start(&bus, model.port, &[]);
    let request = Request {
        deadline: Duration::ZERO,
        ..Request::new("Hi")
    };
    let reply = bus.approve(&request).await.next().await;
    assert_error(&reply, "deadline_exceeded", 504);
    assert_eq!(reply.body["error"]["stage"], "waiting");
    bus.is_empty().await;
    assert_eq!(model.outcomes().await, [""; 0]);
    consumer.stop().await;
}

/// A deadline that passes while the model writes ends the call, and the slot is free for the next.
#[tokio::test]
async fn a_deadline_ends_the_generation() {
    let bus = Bus::start().await;
    let model = Standin::start(&["--tokens", "100", "--token-seconds", "0.1"]).await;
    let consumer = Consumer::start(&bus, model.port, &[]);
    consumer.is_ready().await;
    let request = Request {
        deadline: Duration::from_millis(1500),
        ..Request::new("Hi")
    };
    let reply = bus.approve(&request).await.next().await;
    assert_error(&reply, "deadline_exceeded", 504);
    assert_eq!(reply.body["error"]["stage"], "running");
    until("the call is dropped", async || {
        (model.outcomes().await == ["cancelled"]).then_some(())
    })
    .await;
    consumer.stop().await;
}

/// An error answer and a stream that breaks off are the model's failure; the next request is
/// answered.
#[tokio::test]
async fn a_model_that_fails_is_told_and_the_next_is_answered() {
    let (bus, model) = (Bus::start().await, Standin::start(&[]).await);
    let consumer = Consumer::start(&bus, model.port, &[]);
    for fault in [
        json!({"status": 500, "times": 1}),
        json!({"cut_after": 3, "times": 1}),
    ] {
        model.fault(fault).await;
        let request = Request::new("Hi");
        let reply = bus.approve(&request).await.next().await;
        assert_error(&reply, "model_failed", 502);
        assert_eq!(bus.stored(&request).await, Some(reply.body));
        assert_eq!(
            bus.approve(&Request::new("Hi")).await.next().await.event,
            "done"
        );
    }
    bus.is_empty().await;
    consumer.stop().await;
}

/// While llama.cpp loads its model, nothing is lost: the request waits and is answered.
#[tokio::test]
async fn a_loading_model_is_waited_for() {
    let (bus, model) = (Bus::start().await, Standin::start(&[]).await);
    model.fault(json!({"loading": true})).await;
    let consumer = Consumer::start(&bus, model.port, &[]);
    let mut replies = bus.approve(&Request::new("Hi")).await;
    assert!(replies.is_quiet().await);
    model.fault(json!({"loading": false})).await;
    assert_eq!(replies.next().await.event, "done");
    // The same in the middle of its life: 503 counts as not there yet.
    model.fault(json!({"status": 503, "times": 2})).await;
    assert_eq!(
        bus.approve(&Request::new("Hi")).await.next().await.event,
        "done"
    );
    consumer.stop().await;
}

/// A llama.cpp that is gone and comes back is waited for while the job is held.
#[tokio::test]
async fn a_model_that_comes_back_answers_the_held_request() {
    let (bus, model) = (Bus::start().await, Standin::start(&[]).await);
    let consumer = Consumer::start(&bus, model.port, &[]);
    consumer.is_ready().await;
    let port = model.port;
    model.kill().await;
    let mut replies = bus.approve(&Request::with_events("Hi", "state")).await;
    assert_eq!(replies.next().await.event, "started");
    assert!(replies.is_quiet().await);
    let model = Standin::start_on(port, &[]).await;
    let reply = replies.next().await;
    assert_eq!((reply.event.as_str(), reply.attempt), ("done", 1));
    assert_eq!(model.outcomes().await, ["done"]);
    consumer.stop().await;
}

/// One that stays away is an error after the limit.
#[tokio::test]
async fn a_model_that_stays_away_is_told() {
    let bus = Bus::start().await;
    let consumer = Consumer::start(&bus, free_port(), &["--llama-gone-seconds=1"]);
    let reply = bus.approve(&Request::new("Hi")).await.next().await;
    assert_error(&reply, "model_unavailable", 502);
    let (_, body) = consumer.get("/readyz").await.unwrap();
    let body: Value = serde_json::from_str(&body).unwrap();
    assert!(
        body["reason"].as_str().unwrap().contains("llama.cpp"),
        "{body}"
    );
    consumer.stop().await;
}
