//! nats-server.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use async_nats::jetstream::{self, AckKind, consumer::pull, stream};
use async_nats::{Client, HeaderMap};
use futures_util::StreamExt;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::process::{Child, Command};

use super::{Replies, Request, free_port, repository, until};

/// nats-server with the project's streams and no authentication; permissions are
/// `tests/permissions`' part.
pub struct Bus {
    port: u16,
    folder: TempDir,
    server: Child,
    pub client: Client,
}

impl Bus {
    /// Starts a server without streams.
    pub async fn bare() -> Self {
        let (port, folder) = (free_port(), tempfile::tempdir().unwrap());
        let server = serve(port, &folder);
        let client = async_nats::ConnectOptions::new()
            .retry_on_initial_connect()
            .max_reconnects(None)
            .reconnect_delay_callback(|_| Duration::from_millis(50))
            .connect(format!("127.0.0.1:{port}"))
            .await
            .unwrap();
        Self {
            port,
            folder,
            server,
            client,
        }
    }

    /// Starts a server with the streams of `nats/streams.json`.
    pub async fn start() -> Self {
        let bus = Self::bare().await;
        bus.provision().await;
        bus
    }

    pub async fn provision(&self) {
        let plan = std::fs::read(repository().join("nats/streams.json")).unwrap();
        let plan: Value = serde_json::from_slice(&plan).unwrap();
        let context = self.context();
        for stream in plan["streams"].as_array().unwrap() {
            let mut fields = stream.as_object().unwrap().clone();
            if let Some(seconds) = fields.remove("max_age_seconds") {
                fields.insert(
                    "max_age".into(),
                    json!(seconds.as_u64().unwrap() * 1_000_000_000),
                );
            }
            let config: stream::Config = serde_json::from_value(fields.into()).unwrap();
            until("a stream is made", async || {
                context.create_stream(&config).await.ok()
            })
            .await;
        }
    }

    pub fn context(&self) -> jetstream::Context {
        jetstream::new(self.client.clone())
    }

    pub fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }

    /// Ends the server as a crash would.
    pub async fn kill(&mut self) {
        self.server.kill().await.unwrap();
    }

    /// Starts it again on what it had stored.
    pub fn restart(&mut self) {
        self.server = serve(self.port, &self.folder);
    }

    /// How many requests lie in CHAT.
    pub async fn waiting(&self) -> u64 {
        let context = self.context();
        let mut stream = context.get_stream("CHAT").await.unwrap();
        stream.info().await.unwrap().state.messages
    }

    /// Approves as the filter does; returns the replies to it.
    pub async fn approve(&self, request: &Request) -> Replies {
        let replies = self.listen(&request.reply_to).await;
        self.put(request.subject(), request.headers(), &request.body)
            .await;
        replies
    }

    /// Subscribes to a reply subject.
    pub async fn listen(&self, reply_to: &str) -> Replies {
        let subscriber = self.client.subscribe(reply_to.to_owned()).await.unwrap();
        self.client.flush().await.unwrap();
        Replies::new(subscriber)
    }

    /// Puts a message into CHAT, and wakes the workers.
    pub async fn put(&self, subject: String, headers: HeaderMap, body: &str) {
        let context = self.context();
        let event = subject.clone().into();
        let published = context.publish_with_headers(subject, headers, body.to_owned().into());
        published.await.unwrap().await.unwrap();
        self.client
            .publish("chat.event.approved", event)
            .await
            .unwrap();
    }

    /// Takes the one job of a line and gives it back, `times` over, as workers would that fail.
    pub async fn give_back(&self, lane: &str, client: &str, times: usize) {
        let filter = format!("chat.approved.{lane}.{client}.*");
        self.give_back_from(&format!("{lane}-{client}"), &filter, times)
            .await;
    }

    /// The same from a durable consumer that is named.
    pub async fn give_back_from(&self, name: &str, filter: &str, times: usize) {
        let config = pull::Config {
            durable_name: Some(name.to_owned()),
            filter_subject: filter.to_owned(),
            ack_wait: Duration::from_secs(10),
            max_deliver: 4,
            inactive_threshold: Duration::from_secs(300),
            ..Default::default()
        };
        let context = self.context();
        let made = context.create_consumer_on_stream(config, "CHAT");
        let consumer = made.await.unwrap();
        for _ in 0..times {
            let batch = consumer.fetch().max_messages(1).messages().await;
            let message = batch.unwrap().next().await.unwrap().unwrap();
            message.double_ack_with(AckKind::Nak(None)).await.unwrap();
        }
    }

    /// Waits until nothing lies in CHAT.
    pub async fn is_empty(&self) {
        until("CHAT is empty", async || {
            (self.waiting().await == 0).then_some(())
        })
        .await;
    }

    /// Cancels as the filter does a running request: stores the outcome, then tells of it.
    pub async fn cancel(&self, request: &Request) {
        let error = json!({"error": {"code": "cancelled", "message": "x", "type": "stile_error", "final": true}});
        let context = self.context();
        let stored = context.publish(request.result(), error.to_string().into());
        stored.await.unwrap().await.unwrap();
        let subject = format!("chat.event.cancelled.{}.{}", request.client, request.id);
        self.client.publish(subject, "".into()).await.unwrap();
    }

    pub async fn stored(&self, request: &Request) -> Option<Value> {
        let stream = self.context().get_stream("CHAT_RESULT").await.unwrap();
        let message = stream
            .direct_get_last_for_subject(request.result())
            .await
            .ok()?;
        Some(serde_json::from_slice(&message.payload).unwrap())
    }
}

fn serve(port: u16, folder: &TempDir) -> Child {
    let configuration = folder.path().join("nats.conf");
    let text = format!(
        "listen: 127.0.0.1:{port}\nmax_payload: 4MB\njetstream {{ store_dir: \"{}\", sync_interval: always }}\n",
        folder.path().display()
    );
    std::fs::write(&configuration, text).unwrap();
    let installed = repository().join(".venv/bin/nats-server");
    let program = std::env::var_os("STILE_NATS_SERVER").map_or_else(
        || {
            if installed.exists() {
                installed
            } else {
                "nats-server".into()
            }
        },
        PathBuf::from,
    );
    Command::new(program)
        .arg("-c")
        .arg(configuration)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap()
}
