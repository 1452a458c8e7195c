//! A request that was delivered three times without an end: the fourth delivery is the last.

use serde_json::json;

use crate::support::{Bus, Consumer, Request, Standin};

async fn dead_letter(
    bus: &Bus,
    request: &Request,
) -> Option<async_nats::jetstream::message::StreamMessage> {
    let stream = bus.context().get_stream("CHAT_DLQ").await.unwrap();
    let subject = format!(
        "chat.dead.{}.{}.{}",
        request.lane, request.client, request.id
    );
    stream.direct_get_last_for_subject(subject).await.ok()
}

/// It is given up, unread: laid aside whole with the reason, its outcome stored and said, and
/// terminated.
#[tokio::test]
async fn a_request_that_was_given_up_is_laid_aside() {
    is_laid_aside("", "", ".*").await;
}

/// One that names a model is so too, by its lane, client and id alone.
#[tokio::test]
async fn a_request_for_a_model_that_was_given_up_is_laid_aside() {
    is_laid_aside(".standin", "=standin", ".*.standin").await;
}

async fn is_laid_aside(named: &'static str, consumer: &str, filter: &str) {
    let (bus, model) = (Bus::start().await, Standin::start(&[]).await);
    let request = Request {
        body: "not even JSON".to_owned(),
        model: named,
        ..Request::new("")
    };
    let mut replies = bus.approve(&request).await;
    bus.give_back_from(
        &format!("interactive-alice{consumer}"),
        &format!("chat.approved.interactive.alice{filter}"),
        3,
    )
    .await;
    let consumer = Consumer::start(&bus, model.port, &[]);
    let reply = replies.next().await;
    assert_eq!((reply.event.as_str(), reply.attempt), ("error", 4));
    assert_eq!(reply.body["error"]["code"], "too_many_attempts");
    assert_eq!(bus.stored(&request).await, Some(reply.body));
    bus.is_empty().await;
    let letter = dead_letter(&bus, &request).await.unwrap();
    assert_eq!(letter.payload, request.body);
    let header = |name: &str| letter.headers.get(name).unwrap().as_str();
    assert_eq!(header("Chat-Dead-Reason"), "too_many_attempts");
    assert_eq!(header("Chat-Attempt"), "4");
    assert_eq!(header("Chat-Reply-To"), request.reply_to);
    assert!(header("Chat-Dead-At").parse::<u64>().is_ok());
    assert_eq!(model.outcomes().await, [""; 0]);
    consumer.stop().await;
}

/// One that was answered before, by workers that died before they acknowledged, is no dead letter.
#[tokio::test]
async fn what_has_its_outcome_is_not_laid_aside() {
    let (bus, model) = (Bus::start().await, Standin::start(&[]).await);
    let request = Request::new("Hi");
    let mut replies = bus.approve(&request).await;
    bus.give_back("interactive", "alice", 3).await;
    let answer = json!({"response": "x", "id": request.id.to_string()});
    let context = bus.context();
    let stored = context.publish(request.result(), answer.to_string().into());
    stored.await.unwrap().await.unwrap();
    let consumer = Consumer::start(&bus, model.port, &[]);
    assert_eq!(replies.next().await.body, answer);
    bus.is_empty().await;
    assert!(dead_letter(&bus, &request).await.is_none());
    consumer.stop().await;
}

/// Where there is no such stream, as in an installation of an earlier version, the request ends all
/// the same.
#[tokio::test]
async fn a_missing_stream_holds_nothing_up() {
    let (bus, model) = (Bus::start().await, Standin::start(&[]).await);
    bus.context().delete_stream("CHAT_DLQ").await.unwrap();
    let request = Request::new("Hi");
    let mut replies = bus.approve(&request).await;
    bus.give_back("interactive", "alice", 3).await;
    let consumer = Consumer::start(&bus, model.port, &[]);
    let reply = replies.next().await;
    assert_eq!(reply.body["error"]["code"], "too_many_attempts");
    bus.is_empty().await;
    consumer.stop().await;
}
