//! Which worker answers what: by the model that a request names.

use futures_util::StreamExt;
use tokio::time::timeout;

use crate::support::{Bus, Consumer, PATIENCE, Request, Standin, until};

fn naming(prompt: &str, client: &str, model: &'static str) -> Request {
    Request {
        model,
        ..Request::of(prompt, "interactive", client)
    }
}

/// Two workers with a model each: what names one is that one's alone, in whatever order it came.
#[tokio::test]
async fn a_request_goes_to_the_model_that_it_names() {
    let bus = Bus::start().await;
    let small = Standin::start(&["--model", "/models/Small-1.5"]).await;
    let large = Standin::start(&["--model", "large"]).await;
    let mut all_replies = Vec::new();
    for number in 0..6 {
        let (prompt, model) = [("small", ".small-1=2E5"), ("large", ".large")][number % 2];
        all_replies.push(bus.approve(&naming(prompt, "anna", model)).await);
    }
    let consumers = [&small, &large].map(|model| Consumer::start(&bus, model.port, &[]));
    for mut replies in all_replies {
        assert_eq!(replies.next().await.event, "done");
    }
    for (model, name) in [(&small, "small"), (&large, "large")] {
        let prompts: Vec<_> = model.prompts().await.into_iter().map(|it| it.1).collect();
        assert_eq!(prompts, [name; 3]);
    }
    bus.is_empty().await;
    for consumer in consumers {
        consumer.stop().await;
    }
}

/// What names a model that no worker has waits, and holds up nobody; the worker that comes answers
/// it. A start is published with the worker's model, so that the shares of others' are not used up.
#[tokio::test]
async fn a_request_waits_for_its_models_worker() {
    let bus = Bus::start().await;
    let small = Standin::start(&["--model", "small"]).await;
    let mut started = bus.client.subscribe("chat.event.started.>").await.unwrap();
    let first = Consumer::start(&bus, small.port, &[]);
    let mut replies = bus.approve(&naming("large", "anna", ".large")).await;
    let mut others = bus.approve(&naming("any", "anna", "")).await;
    assert_eq!(others.next().await.event, "done");
    assert_eq!(bus.waiting().await, 1);
    let large = Standin::start(&["--model", "large"]).await;
    let second = Consumer::start(&bus, large.port, &[]);
    assert_eq!(replies.next().await.event, "done");
    let mut models = Vec::new();
    for _ in 0..2 {
        let told = timeout(PATIENCE, started.next()).await.unwrap().unwrap();
        models.push(told.payload);
    }
    assert_eq!(models, ["small", "large"]);
    assert_eq!(small.prompts().await.len(), 1);
    first.stop().await;
    second.stop().await;
}

/// A llama.cpp that is started again with another model: its worker is that model's from then on.
#[tokio::test]
async fn a_worker_goes_by_the_model_that_is_there_now() {
    let bus = Bus::start().await;
    let before = Standin::start(&["--model", "before"]).await;
    let port = before.port;
    let consumer = Consumer::start(&bus, port, &[]);
    let mut replies = bus.approve(&naming("x", "anna", ".before")).await;
    assert_eq!(replies.next().await.event, "done");
    before.kill().await;
    let _after = Standin::start_on(port, &["--model", "after"]).await;
    let mut replies = bus.approve(&naming("x", "anna", ".after")).await;
    assert_eq!(replies.next().await.event, "done");
    consumer.stop().await;
}

/// A client that asks for a model and for any is one client in the service order, and neither of
/// the two starves.
#[tokio::test]
async fn a_client_has_one_turn_whatever_it_names() {
    let bus = Bus::start().await;
    let model = Standin::start(&["--tokens", "3", "--token-seconds", "0.05"]).await;
    let mut all_replies = Vec::new();
    for (prompt, client, named, count) in [
        ("greedy any", "greedy", "", 4),
        ("greedy named", "greedy", ".standin", 4),
        ("ben", "ben", "", 4),
    ] {
        for _ in 0..count {
            all_replies.push(bus.approve(&naming(prompt, client, named)).await);
        }
    }
    let consumer = Consumer::start(&bus, model.port, &[]);
    for mut replies in all_replies {
        replies.next().await;
    }
    let order: Vec<_> = model.prompts().await.into_iter().map(|it| it.1).collect();
    let of = |name: &str, among: &[String]| among.iter().filter(|it| it.starts_with(name)).count();
    let (turns, _) = order.split_at(8);
    assert_eq!((of("ben", turns), of("greedy", turns)), (4, 4), "{order:?}");
    assert_eq!(
        (of("greedy any", turns), of("greedy named", turns)),
        (2, 2),
        "{order:?}"
    );
    until("each source has a durable consumer", async || {
        let stream = bus.context().get_stream("CHAT").await.ok()?;
        let names: Vec<_> = stream.consumer_names().collect().await;
        (names.len() == 3).then_some(())
    })
    .await;
    consumer.stop().await;
}
