//! An answer that must be checked: the filters are played by the test, on the real subject.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_nats::Subscriber;
use futures_util::StreamExt;
use serde_json::{Value, json};

use crate::support::{Bus, Consumer, Replies, Request, Standin, until};

/// Seconds that the filters have, in these tests.
const LIMIT: &[&str] = &["--answer-check-seconds", "1"];

/// A request whose answer must be checked.
fn request(prompt: &str, events: &'static str) -> Request {
    let body = json!({
        "messages": [{"role": "user", "content": prompt}],
        "check_answer": true,
        "refusal_message": "Something else, please.",
    });
    Request {
        body: body.to_string(),
        ..Request::with_events(prompt, events)
    }
}

/// A filter of the group, which refuses `darn` and holds the last word back; returns how many
/// checks it has made.
async fn filter(bus: &Bus, wait: Duration) -> Arc<AtomicUsize> {
    let checks = bus.client.queue_subscribe("chat.answer", "filter".into());
    let mut checks: Subscriber = checks.await.unwrap();
    bus.client.flush().await.unwrap();
    let (client, made) = (bus.client.clone(), Arc::new(AtomicUsize::new(0)));
    let count = Arc::clone(&made);
    tokio::spawn(async move {
        while let Some(message) = checks.next().await {
            tokio::time::sleep(wait).await;
            let check: Value = serde_json::from_slice(&message.payload).unwrap();
            let reply = message.reply.unwrap();
            assert!(reply.starts_with("_INBOX_answer."));
            count.fetch_add(1, Ordering::Relaxed);
            let verdict = verdict(&check).to_string();
            client.publish(reply, verdict.into()).await.unwrap();
        }
    });
    made
}

fn verdict(check: &Value) -> Value {
    let parts = check["parts"].as_array().unwrap();
    let texts = parts.iter().map(|part| part["text"].as_str().unwrap());
    if texts.clone().any(|text| text.contains("darn")) {
        return json!({"refusal": {"category": "profanity", "place": "answer"}, "response": "No."});
    }
    let release = parts.iter().zip(texts).map(|(part, text)| {
        let end = if part["closed"] == true {
            text.len()
        } else {
            text.rfind(' ').map_or(0, |at| at + 1)
        };
        let end = text.get(..end).unwrap().chars().count();
        (end as u64).max(part["released"].as_u64().unwrap_or_default())
    });
    json!({"release": release.collect::<Vec<_>>()})
}

async fn texts(replies: &mut Replies) -> (String, Value) {
    let events = replies.all().await;
    let (last, events) = events.split_last().unwrap();
    let pieces = events
        .iter()
        .filter_map(|event| event.body["text"].as_str());
    (pieces.collect(), last.body.clone())
}

/// A harmless answer comes whole, with two filters in the group, and nothing of it before a filter
/// has seen it.
#[tokio::test]
async fn a_checked_answer_comes_whole() {
    let bus = Bus::start().await;
    let model = Standin::start(&["--tokens", "30", "--token-seconds", "0.01"]).await;
    let consumer = Consumer::start(&bus, model.port, LIMIT);
    let one = filter(&bus, Duration::ZERO).await;
    let two = filter(&bus, Duration::ZERO).await;
    let asked = request("Größe 🙂", "token");
    let (pieces, done) = texts(&mut bus.approve(&asked).await).await;
    assert_eq!(pieces, format!("echo: Größe 🙂{}", " word".repeat(29)));
    assert_eq!(done["response"], json!(pieces));
    assert!(one.load(Ordering::Relaxed) + two.load(Ordering::Relaxed) > 1);
    consumer.stop().await;
}

/// A word in mid-answer: what was before it was sent, the model is stopped, and the result, the
/// stored one too, is the refusal with the client's own text.
#[tokio::test]
async fn a_refused_answer_ends_with_the_refusal() {
    let bus = Bus::start().await;
    let model = Standin::start(&["--tokens", "500", "--token-seconds", "0.05"]).await;
    let consumer = Consumer::start(&bus, model.port, LIMIT);
    filter(&bus, Duration::ZERO).await;
    let asked = request("fine so far darn it", "token");
    let (pieces, done) = texts(&mut bus.approve(&asked).await).await;
    assert!("echo: fine so far ".starts_with(&pieces), "{pieces}");
    assert_eq!(
        done,
        json!({
            "response": "Something else, please.", "id": asked.id.to_string(), "refused": true,
            "model": "standin", "finish_reason": "content_filter",
            "refusal": {"category": "profanity", "place": "answer"},
        })
    );
    assert_eq!(bus.stored(&asked).await, Some(done));
    until("the slot is free", async || {
        (model.outcomes().await == ["cancelled"]).then_some(())
    })
    .await;
    let next = request("next", "none");
    let mut replies = bus.approve(&next).await;
    model.writes(2).await;
    bus.cancel(&next).await;
    replies.next().await;
    bus.is_empty().await;
    consumer.stop().await;
}

/// A client that wants no events gets the refusal alone.
#[tokio::test]
async fn a_whole_answer_that_is_refused_is_the_refusal() {
    let (bus, model) = (Bus::start().await, Standin::start(&["--tokens", "3"]).await);
    let consumer = Consumer::start(&bus, model.port, LIMIT);
    filter(&bus, Duration::ZERO).await;
    let mut replies = bus.approve(&request("darn", "none")).await;
    let reply = replies.next().await;
    assert_eq!(reply.body["response"], "Something else, please.");
    assert_eq!(reply.body["refused"], true);
    assert!(replies.is_quiet().await);
    consumer.stop().await;
}

/// Without a filter nothing is sent: the answer ends in an error after the limit, the slot is free,
/// and the worker says why. With a filter again, the next one is answered.
#[tokio::test]
async fn without_a_filter_nothing_is_sent() {
    let bus = Bus::start().await;
    let model = Standin::start(&["--tokens", "3"]).await;
    let consumer = Consumer::start(&bus, model.port, LIMIT);
    consumer.is_ready().await;
    let asked = request("Hi", "token");
    let (pieces, error) = texts(&mut bus.approve(&asked).await).await;
    assert_eq!(pieces, "");
    assert_eq!(error["error"]["code"], "answer_unchecked");
    assert_eq!(bus.stored(&asked).await, Some(error));
    let (status, reason) = consumer.get("/readyz").await.unwrap();
    assert_eq!(status, 503);
    assert!(reason.contains("no filter checks answers"), "{reason}");
    filter(&bus, Duration::ZERO).await;
    let (pieces, _) = texts(&mut bus.approve(&request("Hi", "token")).await).await;
    assert_eq!(pieces, "echo: Hi word word");
    consumer.is_ready().await;
    consumer.stop().await;
}

/// A filter that dies over a check costs a second try, which another one takes; a slow one makes
/// the pieces larger, and does not hold the model up.
#[tokio::test]
async fn a_silent_filter_costs_a_second_try() {
    let bus = Bus::start().await;
    let model = Standin::start(&["--tokens", "40", "--token-seconds", "0.01"]).await;
    let consumer = Consumer::start(&bus, model.port, &["--answer-check-seconds", "20"]);
    let mut silent = bus
        .client
        .queue_subscribe("chat.answer", "filter".into())
        .await
        .unwrap();
    bus.client.flush().await.unwrap();
    let mut replies = bus.approve(&request("Hi", "token")).await;
    silent.next().await.unwrap();
    silent.unsubscribe().await.unwrap();
    let checks = filter(&bus, Duration::from_millis(50)).await;
    let (pieces, _) = texts(&mut replies).await;
    assert_eq!(pieces, format!("echo: Hi{}", " word".repeat(39)));
    assert!(checks.load(Ordering::Relaxed) < 20);
    consumer.stop().await;
}

/// A verdict that releases what was not asked about, or is no verdict, releases nothing.
#[tokio::test]
async fn a_verdict_that_does_not_fit_releases_nothing() {
    for verdict in [
        r#"{"release": [10000]}"#,
        r#"{"release": []}"#,
        "{}",
        "[]",
        "",
    ] {
        let bus = Bus::start().await;
        let model = Standin::start(&["--tokens", "3"]).await;
        let consumer = Consumer::start(&bus, model.port, LIMIT);
        let mut checks = bus.client.subscribe("chat.answer").await.unwrap();
        bus.client.flush().await.unwrap();
        let client = bus.client.clone();
        tokio::spawn(async move {
            while let Some(message) = checks.next().await {
                client
                    .publish(message.reply.unwrap(), verdict.into())
                    .await
                    .unwrap();
            }
        });
        let (pieces, error) = texts(&mut bus.approve(&request("Hi", "token")).await).await;
        assert_eq!(
            (&*pieces, &error["error"]["code"]),
            ("", &json!("answer_unchecked"))
        );
        consumer.stop().await;
    }
}

/// Once an answer has ended, a filter is told its whole text and its client, checked or not, before
/// the client has it.
#[tokio::test]
async fn a_filter_remembers_what_was_answered() {
    let bus = Bus::start().await;
    let model = Standin::start(&["--tokens", "3"]).await;
    let consumer = Consumer::start(&bus, model.port, LIMIT);
    let told = bus.client.queue_subscribe("chat.answer", "filter".into());
    let mut told: Subscriber = told.await.unwrap();
    bus.client.flush().await.unwrap();
    let asked = Request::with_events("Hello", "none");
    let mut replies = bus.approve(&asked).await;
    let message = told.next().await.unwrap();
    let answer: Value = serde_json::from_slice(&message.payload).unwrap();
    let text = "echo: Hello word word";
    assert_eq!(answer["id"], json!(asked.id.to_string()));
    assert_eq!(answer["client"], json!("alice"));
    assert_eq!(
        answer["parts"],
        json!([{
            "kind": "content", "text": text, "offset": 0,
            "released": text.len(), "closed": true,
        }])
    );
    let verdict = json!({"release": [text.len()]}).to_string();
    let reply = message.reply.unwrap();
    bus.client.publish(reply, verdict.into()).await.unwrap();
    assert_eq!(
        replies.all().await.last().unwrap().body["response"],
        json!(text)
    );
    consumer.stop().await;
}
