//! What a requester receives when all goes well.

use serde_json::{Value, json};

use crate::support::{Bus, Consumer, PATIENCE, Request, Standin, until};

fn sequence(reply: &[crate::support::ReplyEvent]) -> Vec<(&str, u64)> {
    reply
        .iter()
        .map(|reply| (reply.event.as_str(), reply.seq))
        .collect()
}

/// A requester that wants no events receives exactly one message: the whole answer, which is stored
/// as well.
#[tokio::test]
async fn a_request_is_answered_with_one_message() {
    let (bus, model) = (Bus::start().await, Standin::start(&["--tokens", "3"]).await);
    let consumer = Consumer::start(&bus, model.port, &[]);
    let request = Request::new("Hi");
    let mut replies = bus.approve(&request).await;
    let reply = replies.next().await;
    assert_eq!(
        (reply.event.as_str(), reply.attempt, reply.seq),
        ("done", 1, 0)
    );
    assert_eq!(
        reply.headers.get("Chat-Id").unwrap().as_str(),
        request.id.to_string()
    );
    assert!(
        reply
            .headers
            .get("traceparent")
            .unwrap()
            .as_str()
            .starts_with("00-0af7")
    );
    let timings = reply.body["timings"].clone();
    assert!(timings["prompt_per_second"].as_f64().unwrap() > 0.0);
    assert!(timings["predicted_per_second"].as_f64().unwrap() > 0.0);
    assert_eq!(
        reply.body,
        json!({
            "timings": timings,
            "response": "echo: Hi word word", "id": request.id.to_string(), "refused": false,
            "model": "standin", "finish_reason": "stop",
            "usage": {"prompt_tokens": 10, "completion_tokens": 3, "total_tokens": 13},
        })
    );
    assert!(replies.is_quiet().await);
    assert_eq!(bus.stored(&request).await, Some(reply.body));
    bus.is_empty().await;
    consumer.stop().await;
}

/// A requester that asks for the result itself receives nothing; the result is stored.
#[tokio::test]
async fn who_asks_later_hears_nothing() {
    let (bus, model) = (Bus::start().await, Standin::start(&["--tokens", "3"]).await);
    let consumer = Consumer::start(&bus, model.port, &[]);
    let request = Request::with_events("Hi", "accepted");
    let mut replies = bus.approve(&request).await;
    let stored = until("the outcome is stored", async || bus.stored(&request).await).await;
    assert_eq!(stored["response"], "echo: Hi word word");
    bus.is_empty().await;
    // It would have been said before the request left the queue.
    assert!(replies.is_quiet().await);
    consumer.stop().await;
}

/// `state` adds `started`, numbered from 0; the final event's number is the count of those before.
#[tokio::test]
async fn who_wants_states_hears_started_and_done() {
    let (bus, model) = (Bus::start().await, Standin::start(&["--tokens", "3"]).await);
    let consumer = Consumer::start(&bus, model.port, &[]);
    let mut replies = bus.approve(&Request::with_events("Hi", "state")).await;
    let reply = replies.all().await;
    assert_eq!(sequence(&reply), [("started", 0), ("done", 1)]);
    assert_eq!(reply[0].body["model"], "standin");
    assert!(replies.is_quiet().await);
    consumer.stop().await;
}

/// `token` adds the pieces between them, the first one alone, and the empty message without headers
/// that ends the stream.
#[tokio::test]
async fn who_wants_tokens_hears_pieces_and_the_end() {
    let bus = Bus::start().await;
    let model = Standin::start(&["--tokens", "3", "--token-seconds", "0.2"]).await;
    let consumer = Consumer::start(&bus, model.port, &[]);
    let mut replies = bus
        .approve(&Request::with_events("Größe 🙂", "token"))
        .await;
    let reply = replies.all().await;
    let (last, events) = reply.split_last().unwrap();
    let (first, pieces) = events.split_first().unwrap();
    assert_eq!(
        (first.event.as_str(), last.event.as_str()),
        ("started", "done")
    );
    assert!(pieces.iter().all(|reply| reply.event == "token"));
    assert_eq!(pieces[0].body["text"], "echo: Größe 🙂");
    let numbers = reply.iter().map(|reply| reply.seq);
    assert!(numbers.eq(0..reply.len() as u64));
    let pieces = pieces
        .iter()
        .map(|reply| reply.body["text"].as_str().unwrap());
    let pieces: String = pieces.collect();
    assert_eq!(pieces, "echo: Größe 🙂 word word");
    assert_eq!(last.body["response"], json!(pieces));
    let end = replies.message().await;
    assert!(end.payload.is_empty() && end.headers.is_none());
    consumer.stop().await;
}

/// What a fast model writes is gathered: fewer messages than tokens, the same text, numbers without
/// a gap, and all of it before the answer.
#[tokio::test]
async fn a_fast_models_tokens_come_together() {
    const TOKENS: usize = 400;
    let bus = Bus::start().await;
    let model = Standin::start(&["--tokens", "400"]).await;
    let consumer = Consumer::start(&bus, model.port, &[]);
    let mut replies = bus.approve(&Request::with_events("Hi", "token")).await;
    let reply = replies.all().await;
    let (last, events) = reply.split_last().unwrap();
    assert!(reply.len() < TOKENS / 2, "{} messages", reply.len());
    let numbers = reply.iter().map(|reply| reply.seq);
    assert!(numbers.eq(0..reply.len() as u64));
    assert!(events.iter().skip(1).all(|reply| reply.event == "token"));
    let pieces = events
        .iter()
        .filter_map(|reply| reply.body["text"].as_str());
    assert_eq!(last.body["response"], json!(pieces.collect::<String>()));
    assert_eq!(last.body["usage"]["completion_tokens"], TOKENS);
    consumer.stop().await;
}

/// A request that comes again after it was done is answered with what is stored; nothing is
/// generated.
#[tokio::test]
async fn a_repeat_after_the_answer_makes_no_second_generation() {
    let (bus, model) = (Bus::start().await, Standin::start(&[]).await);
    let consumer = Consumer::start(&bus, model.port, &[]);
    let request = Request::with_events("Hi", "state");
    let first = bus.approve(&request).await.all().await;
    bus.is_empty().await;
    let again = bus.approve(&request).await.all().await;
    assert_eq!(sequence(&again), [("done", 0)]);
    assert_eq!(again[0].body, first[1].body);
    assert_eq!(model.outcomes().await, ["done"]);
    consumer.stop().await;
}

/// An outcome that somebody else stored while the model wrote is the one that counts.
#[tokio::test]
async fn the_stored_outcome_wins() {
    let bus = Bus::start().await;
    let model = Standin::start(&["--tokens", "10", "--token-seconds", "0.1"]).await;
    let consumer = Consumer::start(&bus, model.port, &[]);
    let request = Request::new("Hi");
    let mut replies = bus.approve(&request).await;
    model.writes(1).await;
    let other = json!({"response": "another's", "id": request.id.to_string(), "later": 1});
    let context = bus.context();
    context
        .publish(request.result(), other.to_string().into())
        .await
        .unwrap()
        .await
        .unwrap();
    let reply = replies.next().await;
    assert_eq!((reply.event.as_str(), &reply.body), ("done", &other));
    assert_eq!(bus.stored(&request).await, Some(other));
    consumer.stop().await;
}

/// Many requests are answered one at a time, each with its own answer, in the order of their
/// approval.
#[tokio::test]
async fn two_requests_are_never_open_at_once() {
    let bus = Bus::start().await;
    let model = Standin::start(&["--tokens", "3", "--token-seconds", "0.01"]).await;
    let consumer = Consumer::start(&bus, model.port, &[]);
    let mut all_replies = Vec::new();
    for number in 0..12 {
        all_replies.push(
            bus.approve(&Request::new(&format!("question {number}")))
                .await,
        );
    }
    for (number, replies) in all_replies.iter_mut().enumerate() {
        let reply = replies.next().await;
        assert_eq!(
            reply.body["response"],
            format!("echo: question {number} word word")
        );
    }
    let log = model.log().await;
    assert_eq!(log["most_open"], 1);
    assert_eq!(log["generations"].as_array().unwrap().len(), 12);
    consumer.stop().await;
}

/// Two workers share one stream, and no request is answered twice.
#[tokio::test]
async fn more_workers_answer_more_at_once() {
    let bus = Bus::start().await;
    let (one, two) = tokio::join!(
        Standin::start(&["--token-seconds", "0.05"]),
        Standin::start(&["--token-seconds", "0.05"])
    );
    let consumers = [
        Consumer::start(&bus, one.port, &[]),
        Consumer::start(&bus, two.port, &[]),
    ];
    for consumer in &consumers {
        consumer.is_ready().await;
    }
    let mut all_replies = Vec::new();
    for number in 0..8 {
        all_replies.push(bus.approve(&Request::new(&number.to_string())).await);
    }
    for replies in &mut all_replies {
        assert_eq!(replies.next().await.event, "done");
    }
    let (one, two) = (one.outcomes().await.len(), two.outcomes().await.len());
    assert_eq!(one + two, 8);
    assert!(one > 0 && two > 0, "{one} and {two}");
    for consumer in consumers {
        consumer.stop().await;
    }
}

/// It says that it is ready when bus, stream and model are there, on its port and on the bus alike.
#[tokio::test]
async fn readiness_is_told() {
    let bus = Bus::bare().await;
    let mut beats = bus.client.subscribe("chat.event.consumer").await.unwrap();
    let model = Standin::start(&[]).await;
    let consumer = Consumer::start(&bus, model.port, &[]);
    let unready = until("it listens", async || consumer.get("/readyz").await).await;
    assert_eq!(unready.0, 503);
    assert_eq!(consumer.get("/healthz").await.unwrap().0, 200);
    bus.provision().await;
    consumer.is_ready().await;
    let ready = async {
        loop {
            let beat = futures_util::StreamExt::next(&mut beats).await.unwrap();
            let beat: Value = serde_json::from_slice(&beat.payload).unwrap();
            if beat["ready"] == true {
                return beat;
            }
        }
    };
    let beat = tokio::time::timeout(PATIENCE, ready).await.unwrap();
    assert_eq!(
        (&beat["part"], &beat["model"]),
        (&json!("consumer"), &json!("standin"))
    );
    bus.approve(&Request::new("Hi")).await.next().await;
    let of_tokens = async {
        loop {
            let beat = futures_util::StreamExt::next(&mut beats).await.unwrap();
            let beat: Value = serde_json::from_slice(&beat.payload).unwrap();
            if beat["answer_tokens"] == 8.0 && beat["service_seconds"].is_f64() {
                return;
            }
        }
    };
    tokio::time::timeout(PATIENCE, of_tokens).await.unwrap();
    let page = until("it is counted", async || {
        let (_, page) = consumer.get("/metrics").await?;
        page.contains("stile_consumer_jobs_total{outcome=\"done\"} 1")
            .then_some(page)
    });
    assert!(page.await.contains("stile_consumer_tokens_total 8"));
    consumer.stop().await;
}
