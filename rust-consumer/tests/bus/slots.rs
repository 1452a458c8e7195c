//! A slot of llama.cpp that is not free when it should be, and a key that llama.cpp does not take.

use serde_json::{Value, json};

use crate::support::{Bus, Consumer, Request, Standin, until};

const SLOW: &[&str] = &["--tokens", "200", "--token-seconds", "0.05"];
const IMPATIENT: &[&str] = &["--slot-seconds=1", "--llama-gone-seconds=1"];

async fn readiness(consumer: &Consumer) -> Option<Value> {
    let (_, body) = consumer.get("/readyz").await?;
    serde_json::from_str(&body).ok()
}

/// Waits until the consumer is not ready for a reason that has `word`; returns whether it says
/// `stuck`.
async fn is_unready(consumer: &Consumer, word: &str) -> bool {
    let body = until("it says why it is not ready", async || {
        let body = readiness(consumer).await?;
        let reason = body["reason"].as_str()?.to_owned();
        reason.contains(word).then_some(body)
    })
    .await;
    assert_eq!(body["ready"], false);
    body["stuck"] == true
}

/// Has the model write, and drops the call.
async fn drop_a_call(bus: &Bus, model: &Standin) {
    let dropped = Request::new("dropped");
    let mut replies = bus.approve(&dropped).await;
    model.writes(1).await;
    bus.cancel(&dropped).await;
    assert_eq!(replies.next().await.event, "error");
}

/// A slot that stays busy after a call was dropped: not ready, with the reason. What waits is not
/// taken and not given up, however long it lasts, and is answered as a first attempt once the slot
/// is free.
#[tokio::test]
async fn a_slot_that_stays_busy_is_told_and_costs_no_request() {
    let (bus, model) = (Bus::start().await, Standin::start(SLOW).await);
    let consumer = Consumer::start(&bus, model.port, IMPATIENT);
    model.fault(json!({"holds": true})).await;
    drop_a_call(&bus, &model).await;
    let mut waiting = bus.approve(&Request::with_events("waits", "state")).await;
    assert!(is_unready(&consumer, "slot").await, "it is stuck");
    for _ in 0..4 {
        assert!(waiting.is_quiet().await, "longer than llama-gone-seconds");
    }
    model.fault(json!({})).await;
    consumer.is_ready().await;
    assert_eq!(readiness(&consumer).await.unwrap(), json!({"ready": true}));
    let reply = waiting.next().await;
    assert_eq!((reply.event.as_str(), reply.attempt), ("started", 1));
    consumer.stop().await;
}

/// The same if llama.cpp does not even answer for its slots, as in the middle of one long step; one
/// that is started again answers what waited.
#[tokio::test]
async fn slots_that_are_not_told_are_busy_until_llama_is_started_again() {
    let (bus, model) = (Bus::start().await, Standin::start(SLOW).await);
    let consumer = Consumer::start(&bus, model.port, &IMPATIENT[..1]);
    consumer.is_ready().await;
    model
        .fault(json!({"holds": true, "unanswered": ["/slots"]}))
        .await;
    drop_a_call(&bus, &model).await;
    let mut waiting = bus.approve(&Request::new("waits")).await;
    assert!(is_unready(&consumer, "slot").await);
    let port = model.port;
    model.kill().await;
    let model = Standin::start_on(port, &[]).await;
    let reply = waiting.next().await;
    assert_eq!((reply.event.as_str(), reply.attempt), ("done", 1));
    consumer.is_ready().await;
    assert_eq!(model.outcomes().await, ["done"]);
    consumer.stop().await;
}

/// A request that is in the hands of a llama.cpp that hangs is answered, too, once that is started
/// again.
#[tokio::test]
async fn what_a_llama_holds_that_hangs_is_answered_by_the_next_one() {
    let (bus, model) = (Bus::start().await, Standin::start(&[]).await);
    let consumer = Consumer::start(&bus, model.port, &IMPATIENT[..1]);
    consumer.is_ready().await;
    let paths = ["/health", "/slots", "/v1/chat/completions"];
    model.fault(json!({"unanswered": paths})).await;
    let mut held = bus.approve(&Request::with_events("held", "state")).await;
    assert_eq!(held.next().await.event, "started");
    assert!(is_unready(&consumer, "hangs").await);
    let port = model.port;
    model.kill().await;
    let model = Standin::start_on(port, &[]).await;
    let reply = held.next().await;
    assert_eq!((reply.event.as_str(), reply.attempt), ("done", 1));
    assert_eq!(model.outcomes().await, ["done"]);
    consumer.stop().await;
}

/// A llama.cpp that takes connections and says nothing at all hangs, whatever the worker does
/// meanwhile.
#[tokio::test]
async fn a_llama_that_says_nothing_hangs() {
    let (bus, model) = (Bus::start().await, Standin::start(&[]).await);
    let consumer = Consumer::start(&bus, model.port, IMPATIENT);
    consumer.is_ready().await;
    model.fault(json!({"unanswered": ["/health"]})).await;
    assert!(is_unready(&consumer, "hangs").await);
    model.fault(json!({})).await;
    consumer.is_ready().await;
    consumer.stop().await;
}

/// An earlier worker's call that holds the slot at the start is reported in the same way.
#[tokio::test]
async fn a_slot_that_is_busy_at_the_start_is_told() {
    let (bus, model) = (Bus::start().await, Standin::start(SLOW).await);
    let first = Consumer::start(&bus, model.port, &[]);
    model.fault(json!({"holds": true})).await;
    let mut replies = bus.approve(&Request::new("Hi")).await;
    model.writes(1).await;
    first.kill().await;
    let second = Consumer::start(&bus, model.port, IMPATIENT);
    assert!(is_unready(&second, "slot").await);
    model.fault(json!({})).await;
    let reply = replies.next().await;
    assert_eq!((reply.event.as_str(), reply.attempt), ("done", 2));
    second.stop().await;
}

/// While one worker is stuck, another one that has a llama.cpp of its own answers what waits.
#[tokio::test]
async fn another_worker_takes_what_waits() {
    let bus = Bus::start().await;
    let (stuck, free) = (Standin::start(SLOW).await, Standin::start(&[]).await);
    let one = Consumer::start(&bus, stuck.port, IMPATIENT);
    stuck.fault(json!({"holds": true})).await;
    drop_a_call(&bus, &stuck).await;
    let two = Consumer::start(&bus, free.port, &[]);
    for _ in 0..3 {
        let reply = bus.approve(&Request::new("Hi")).await.next().await;
        assert_eq!((reply.event.as_str(), reply.attempt), ("done", 1));
    }
    assert_eq!(free.outcomes().await, ["done"; 3]);
    one.stop().await;
    two.stop().await;
}

/// A slot that another worker's request holds is as it should be, for as long as that takes.
#[tokio::test]
async fn a_long_answer_of_another_worker_is_no_fault() {
    let bus = Bus::start().await;
    let model = Standin::start(&["--tokens", "40", "--token-seconds", "0.1"]).await;
    let consumer = Consumer::start(&bus, model.port, &["--slot-seconds=0.5", "--concurrency=2"]);
    consumer.is_ready().await;
    let mut long = bus.approve(&Request::of("long", "batch", "bob")).await;
    model.writes(1).await;
    let dropped = Request::with_events("dropped", "state");
    let mut replies = bus.approve(&dropped).await;
    assert_eq!(replies.next().await.event, "started");
    bus.cancel(&dropped).await;
    assert_eq!(replies.next().await.event, "error");
    let answered = until(
        "the long one is answered, and all the while it is ready",
        async || {
            assert_eq!(readiness(&consumer).await?["ready"], true);
            (model.outcomes().await.first()? == "done").then_some(())
        },
    );
    answered.await;
    assert_eq!(long.next().await.event, "done");
    consumer.stop().await;
}

/// A stop does not wait for a slot that does not come free.
#[tokio::test]
async fn a_stop_waits_for_no_slot() {
    let (bus, model) = (Bus::start().await, Standin::start(SLOW).await);
    let consumer = Consumer::start(&bus, model.port, IMPATIENT);
    model.fault(json!({"holds": true})).await;
    drop_a_call(&bus, &model).await;
    bus.approve(&Request::new("waits")).await;
    assert!(is_unready(&consumer, "slot").await);
    consumer.stop().await;
    assert_eq!(bus.waiting().await, 1);
}

/// A key that llama.cpp does not take: not ready, with the variable's name, and no request is spent
/// on it. With the right one what waited is answered; the key is in no reply.
#[tokio::test]
async fn a_wrong_key_is_told_and_costs_no_request() {
    let (bus, model) = (
        Bus::start().await,
        Standin::start(&["--key", "right-key"]).await,
    );
    let wrong = Consumer::start(
        &bus,
        model.port,
        &["--llama-key=wrong-key", IMPATIENT[0], IMPATIENT[1]],
    );
    let mut waiting = bus.approve(&Request::with_events("waits", "state")).await;
    assert!(
        !is_unready(&wrong, "STILE_LLAMA_KEY").await,
        "a restart would not help"
    );
    for _ in 0..4 {
        assert!(waiting.is_quiet().await, "longer than llama-gone-seconds");
    }
    let (_, page) = wrong.get("/readyz").await.unwrap();
    assert!(!page.contains("wrong-key"));
    wrong.stop().await;
    let none = Consumer::start(&bus, model.port, IMPATIENT);
    assert!(!is_unready(&none, "STILE_LLAMA_KEY").await);
    none.stop().await;
    let right = Consumer::start(&bus, model.port, &["--llama-key=right-key"]);
    let reply = waiting.next().await;
    assert_eq!((reply.event.as_str(), reply.attempt), ("started", 1));
    assert_eq!(waiting.next().await.event, "done");
    right.stop().await;
}
