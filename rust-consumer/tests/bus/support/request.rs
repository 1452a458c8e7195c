//! A request, and the replies to it.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_nats::{HeaderMap, Message, Subscriber};
use futures_util::StreamExt;
use serde_json::{Value, json};
use tokio::time::timeout;
use uuid::Uuid;

use super::PATIENCE;

/// An approved request, as a test wants it.
#[derive(Clone)]
pub struct Request {
    pub id: Uuid,
    pub lane: &'static str,
    pub client: String,
    /// A dot and the token of the model that it names, or nothing.
    pub model: &'static str,
    pub events: &'static str,
    pub reply_to: String,
    pub deadline: Duration,
    pub body: String,
}

impl Request {
    pub fn new(prompt: &str) -> Self {
        let id = Uuid::new_v4();
        Self {
            id,
            lane: "interactive",
            client: "alice".into(),
            model: "",
            events: "none",
            reply_to: format!("_INBOX_gateway.test.{id}"),
            deadline: Duration::from_secs(60),
            body: json!({"messages": [{"role": "user", "content": prompt}]}).to_string(),
        }
    }

    pub fn with_events(prompt: &str, events: &'static str) -> Self {
        Self {
            events,
            ..Self::new(prompt)
        }
    }

    /// Of another client, or in another lane.
    pub fn of(prompt: &str, lane: &'static str, client: &str) -> Self {
        Self {
            lane,
            client: client.to_owned(),
            ..Self::new(prompt)
        }
    }

    pub fn subject(&self) -> String {
        let Self {
            lane,
            client,
            id,
            model,
            ..
        } = self;
        format!("chat.approved.{lane}.{client}.{id}{model}")
    }

    pub fn result(&self) -> String {
        format!("chat.result.{}.{}", self.client, self.id)
    }

    pub fn headers(&self) -> HeaderMap {
        let deadline = SystemTime::now().duration_since(UNIX_EPOCH).unwrap() + self.deadline;
        let mut headers = HeaderMap::new();
        headers.insert("Chat-Id", self.id.to_string());
        headers.insert("Chat-Client", self.client.as_str());
        headers.insert("Chat-Lane", self.lane);
        headers.insert("Chat-Deadline", deadline.as_millis().to_string());
        headers.insert("Chat-Reply-To", self.reply_to.as_str());
        headers.insert("Chat-Events", self.events);
        headers.insert("Chat-Body-SHA256", "ab".repeat(32));
        headers.insert("Chat-Policy", "0123456789ab");
        headers.insert(
            "traceparent",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        );
        headers
    }
}

/// One reply message.
#[derive(Debug)]
pub struct ReplyEvent {
    pub event: String,
    pub attempt: u64,
    pub seq: u64,
    pub body: Value,
    pub headers: HeaderMap,
}

/// The replies to a request.
pub struct Replies(Subscriber);

impl Replies {
    pub fn new(subscriber: Subscriber) -> Self {
        Self(subscriber)
    }

    /// The next message, as it is.
    pub async fn message(&mut self) -> Message {
        let message = timeout(PATIENCE, self.0.next()).await;
        message.expect("there was no reply").unwrap()
    }

    /// The next event.
    pub async fn next(&mut self) -> ReplyEvent {
        let message = self.message().await;
        let headers = message.headers.expect("an event has headers");
        let header = |name: &str| headers.get(name).unwrap().as_str();
        ReplyEvent {
            event: header("Chat-Event").to_owned(),
            attempt: header("Chat-Attempt").parse().unwrap(),
            seq: header("Chat-Seq").parse().unwrap(),
            body: serde_json::from_slice(&message.payload).unwrap(),
            headers,
        }
    }

    /// Every event up to the final one.
    pub async fn all(&mut self) -> Vec<ReplyEvent> {
        let mut all = Vec::new();
        loop {
            all.push(self.next().await);
            if matches!(all.last().unwrap().event.as_str(), "done" | "error") {
                return all;
            }
        }
    }

    /// Whether nothing more comes for a while.
    pub async fn is_quiet(&mut self) -> bool {
        timeout(Duration::from_millis(500), self.0.next())
            .await
            .is_err()
    }
}
