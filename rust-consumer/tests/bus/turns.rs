//! The service order: fair between clients and lanes, with one worker and with two.

use futures_util::StreamExt;
use tokio::time::timeout;

use crate::support::{Bus, Consumer, PATIENCE, Replies, Request, Standin};

const SHORT: &[&str] = &["--tokens", "3", "--token-seconds", "0.05"];
const FIRST: &[&str] = &["--tokens", "10", "--token-seconds", "0.1"];

async fn approve(bus: &Bus, lane: &'static str, client: &str, count: usize) -> Vec<Replies> {
    let mut all_replies = Vec::new();
    for _ in 0..count {
        let request = Request::of(&format!("{lane} {client}"), lane, client);
        all_replies.push(bus.approve(&request).await);
    }
    all_replies
}

async fn are_answered(all_replies: Vec<Replies>) {
    for mut replies in all_replies {
        assert_eq!(replies.next().await.event, "done");
    }
}

/// The prompts of all generations, in the order in which they began.
async fn order(models: &[Standin]) -> Vec<String> {
    let mut all = Vec::new();
    for model in models {
        all.extend(model.prompts().await);
    }
    all.sort_by(|one, other| one.0.total_cmp(&other.0));
    all.into_iter().map(|(_, prompt)| prompt).collect()
}

/// One client has eight requests waiting and three come later with three each: each one's first
/// waits for what is running and at most one more of the greedy client's.
async fn a_greedy_client_holds_nobody_up(workers: usize) {
    let bus = Bus::start().await;
    let mut models = Vec::new();
    for _ in 0..workers {
        models.push(Standin::start(FIRST).await);
    }
    let mut all_replies = approve(&bus, "interactive", "greedy", 8 + workers).await;
    let consumers: Vec<_> = models
        .iter()
        .map(|model| Consumer::start(&bus, model.port, &[]))
        .collect();
    for model in &models {
        model.writes(1).await;
    }
    for client in ["anna", "ben", "carl"] {
        all_replies.extend(approve(&bus, "interactive", client, 3).await);
    }
    are_answered(all_replies).await;
    let order = order(&models).await;
    assert_eq!(order.len(), 8 + workers + 9);
    for client in ["anna", "ben", "carl"] {
        let name = format!("interactive {client}");
        let first = order.iter().position(|prompt| *prompt == name).unwrap();
        let greedy = order.iter().take(first);
        let greedy = greedy.filter(|prompt| prompt.ends_with("greedy")).count();
        assert!(greedy <= workers + 1, "{client} waited: {order:?}");
    }
    for consumer in consumers {
        consumer.stop().await;
    }
}

#[tokio::test]
async fn a_greedy_client_holds_nobody_up_with_one_worker() {
    a_greedy_client_holds_nobody_up(1).await;
}

#[tokio::test]
async fn a_greedy_client_holds_nobody_up_with_two_workers() {
    a_greedy_client_holds_nobody_up(2).await;
}

/// While both lanes have work, three interactive requests are answered for one of the batch lane.
#[tokio::test]
async fn lanes_are_answered_three_to_one() {
    let bus = Bus::start().await;
    let models = [Standin::start(SHORT).await];
    let mut all_replies = approve(&bus, "batch", "night", 3).await;
    for client in ["anna", "ben"] {
        all_replies.extend(approve(&bus, "interactive", client, 4).await);
    }
    let consumer = Consumer::start(&bus, models[0].port, &[]);
    are_answered(all_replies).await;
    let order = order(&models).await;
    let batch: Vec<_> = order
        .iter()
        .enumerate()
        .filter(|(_, prompt)| prompt.starts_with("batch"))
        .map(|(place, _)| place)
        .collect();
    assert_eq!(batch, [3, 7, 10], "{order:?}");
    consumer.stop().await;
}

/// A line's consumer that the server has forgotten is made anew, and nothing waits for that.
#[tokio::test]
async fn a_forgotten_consumer_is_made_anew() {
    let (bus, model) = (Bus::start().await, Standin::start(SHORT).await);
    let consumer = Consumer::start(&bus, model.port, &[]);
    are_answered(approve(&bus, "interactive", "anna", 1).await).await;
    let stream = bus.context().get_stream("CHAT").await.unwrap();
    stream.delete_consumer("interactive-anna").await.unwrap();
    are_answered(approve(&bus, "interactive", "anna", 2).await).await;
    consumer.stop().await;
}

/// Each request is said to be started, and finished once it is settled, under its own lane, client
/// and id; one that fails as well as one that is answered.
#[tokio::test]
async fn a_settled_request_is_said_to_be_finished() {
    let (bus, model) = (Bus::start().await, Standin::start(&[]).await);
    let mut finished = bus.client.subscribe("chat.event.finished.>").await.unwrap();
    let consumer = Consumer::start(&bus, model.port, &[]);
    let answered = Request::of("Hi", "batch", "anna");
    let failed = Request {
        body: "{".to_owned(),
        ..Request::of("", "interactive", "ben")
    };
    for request in [answered, failed] {
        let mut replies = bus.approve(&request).await;
        replies.next().await;
        let told = timeout(PATIENCE, finished.next()).await.unwrap().unwrap();
        assert!(told.payload.is_empty() && told.headers.is_none());
        let expected = request.subject().replace("approved", "event.finished");
        assert_eq!(told.subject.as_str(), expected);
        assert_eq!(
            bus.waiting().await,
            0,
            "it is said after the acknowledgement"
        );
    }
    consumer.stop().await;
}

/// What is given back at a stop is not finished: whoever takes it over says so.
#[tokio::test]
async fn what_is_given_back_is_not_finished() {
    let bus = Bus::start().await;
    let model = Standin::start(&["--tokens", "20", "--token-seconds", "0.1"]).await;
    let mut events = bus.client.subscribe("chat.event.*.>").await.unwrap();
    let first = Consumer::start(&bus, model.port, &["--shutdown-seconds=0.1"]);
    let mut replies = bus.approve(&Request::new("Hi")).await;
    model.writes(1).await;
    first.stop().await;
    let second = Consumer::start(&bus, model.port, &[]);
    replies.next().await;
    let mut told = Vec::new();
    while told.last().is_none_or(|event| event != "finished") {
        let event = timeout(PATIENCE, events.next()).await.unwrap().unwrap();
        told.push(event.subject.split('.').nth(2).unwrap().to_owned());
    }
    assert_eq!(told, ["started", "started", "finished"]);
    second.stop().await;
}
