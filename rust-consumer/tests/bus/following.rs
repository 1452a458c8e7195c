//! Gateways that want the events of a request that runs already.

use async_nats::HeaderMap;

use crate::support::{Bus, Consumer, Replies, ReplyEvent, Request, Standin};

const SLOW: [&str; 4] = ["--tokens", "30", "--token-seconds", "0.1"];

/// Asks for the events of a request, to be sent to `inbox`; returns what comes there.
async fn follow(bus: &Bus, request: &Request, inbox: &str) -> Replies {
    let replies = bus.listen(inbox).await;
    ask(bus, request, inbox).await;
    replies
}

async fn ask(bus: &Bus, request: &Request, inbox: &str) {
    let mut headers = HeaderMap::new();
    headers.insert("Chat-Reply-To", inbox);
    let subject = format!("chat.follow.{}.{}", request.client, request.id);
    let published = bus.client.publish_with_headers(subject, headers, "".into());
    published.await.unwrap();
    bus.client.flush().await.unwrap();
}

fn numbers(events: &[ReplyEvent]) -> Vec<u64> {
    events.iter().map(|event| event.seq).collect()
}

fn text(events: &[ReplyEvent]) -> String {
    let tokens = events.iter().filter(|event| event.event == "token");
    tokens
        .map(|event| event.body["text"].as_str().unwrap())
        .collect()
}

/// A follower receives what was sent before as one piece, then each piece as it comes, numbered
/// without a gap; the requester's own events stay as they were.
#[tokio::test]
async fn a_follower_receives_all_pieces_once() {
    let (bus, model) = (Bus::start().await, Standin::start(&SLOW).await);
    let consumer = Consumer::start(&bus, model.port, &[]);
    let request = Request::with_events("Hi", "token");
    let mut replies = bus.approve(&request).await;
    let mut own = vec![
        replies.next().await,
        replies.next().await,
        replies.next().await,
    ];
    let mut following = follow(&bus, &request, "_INBOX_gateway.other.x").await;
    let first = following.next().await;
    assert_eq!(
        (first.event.as_str(), first.attempt, first.seq),
        ("started", 1, 0)
    );
    // Twice asked, nothing comes twice.
    ask(&bus, &request, "_INBOX_gateway.other.x").await;
    let rest = following.all().await;
    own.extend(replies.all().await);
    let answer = rest.last().unwrap();
    assert_eq!(answer.event, "done");
    assert_eq!(answer.body, own.last().unwrap().body);
    assert_eq!(text(&rest), answer.body["response"].as_str().unwrap());
    assert_eq!(text(&own), text(&rest));
    assert!(rest.len() > 5, "they come as they are written");
    let expected = |len: usize| (0..len as u64).collect::<Vec<_>>();
    assert_eq!(numbers(&own), expected(own.len()));
    assert_eq!(numbers(&rest), expected(rest.len() + 1)[1..]);
    consumer.stop().await;
}

/// Only a gateway is sent the events, and only those of the client and the id that it names.
#[tokio::test]
async fn nobody_else_follows() {
    let (bus, model) = (Bus::start().await, Standin::start(&SLOW).await);
    let consumer = Consumer::start(&bus, model.port, &[]);
    let request = Request::with_events("Hi", "token");
    let mut replies = bus.approve(&request).await;
    replies.next().await;
    let other = Request {
        client: "bob".to_owned(),
        ..request.clone()
    };
    let mut strangers = Vec::new();
    for (request, inbox) in [
        (&request, "_R_.stranger"),
        (&request, "chat.result.alice.x"),
        (&request, "_INBOX_consumer.x"),
        (&other, "_INBOX_gateway.bob.x"),
    ] {
        strangers.push(follow(&bus, request, inbox).await);
    }
    // The requester's own subject is no second listener.
    ask(&bus, &request, &request.reply_to).await;
    let own = replies.all().await;
    assert_eq!(numbers(&own), (1..=own.len() as u64).collect::<Vec<_>>());
    for mut stranger in strangers {
        assert!(stranger.is_quiet().await);
    }
    consumer.stop().await;
}
