//! A request whose outcome is *cancelled* is generated no further.

use crate::support::{Bus, Consumer, Request, Standin};

const SLOW: &[&str] = &["--tokens", "200", "--token-seconds", "0.1"];

/// Cancelled in mid-answer: the call is dropped, the requester receives the stored result, the next
/// one runs.
#[tokio::test]
async fn a_running_request_is_stopped() {
    let (bus, model) = (Bus::start().await, Standin::start(SLOW).await);
    let consumer = Consumer::start(&bus, model.port, &[]);
    let request = Request::with_events("Hi", "state");
    let mut replies = bus.approve(&request).await;
    model.writes(1).await;
    let other = Request::new("other");
    let mut waiting = bus.approve(&other).await;
    bus.cancel(&request).await;
    let reply = replies.all().await;
    let last = reply.last().unwrap();
    assert_eq!(last.event, "error");
    assert_eq!(last.body["error"]["code"], "cancelled");
    assert_eq!(
        last.headers
            .get("Nats-Service-Error-Code")
            .unwrap()
            .as_str(),
        "499"
    );
    model.writes(2).await;
    assert_eq!(model.outcomes().await, ["cancelled", "running"]);
    bus.cancel(&other).await;
    assert_eq!(waiting.next().await.event, "error");
    assert!(replies.is_quiet().await, "a result is sent once");
    consumer.stop().await;
}

/// Cancelled before a worker takes it: it is found to have its outcome, and is never generated.
#[tokio::test]
async fn a_request_cancelled_before_its_turn_is_not_generated() {
    let (bus, model) = (Bus::start().await, Standin::start(SLOW).await);
    let request = Request::new("Hi");
    let mut replies = bus.approve(&request).await;
    bus.cancel(&request).await;
    let consumer = Consumer::start(&bus, model.port, &[]);
    assert_eq!(replies.next().await.body["error"]["code"], "cancelled");
    assert!(model.outcomes().await.is_empty());
    consumer.stop().await;
}
