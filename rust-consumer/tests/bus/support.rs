//! A real nats-server, the stand-in for llama.cpp, and the consumer between them.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_nats::jetstream::{self, stream};
use async_nats::{Client, HeaderMap, Message, Subscriber};
use clap::Parser;
use futures_util::StreamExt;
use serde_json::{Value, json};
use stile_consumer::config::Config;
use stile_consumer::error::RunError;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};
use uuid::Uuid;

/// Whatever is waited for comes within this, or the test fails.
pub const PATIENCE: Duration = Duration::from_secs(40);

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

pub fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

/// Asks again and again until `condition` gives something.
pub async fn until<T>(what: &str, condition: impl AsyncFn() -> Option<T>) -> T {
    let end = Instant::now() + PATIENCE;
    loop {
        if let Some(value) = condition().await {
            return value;
        }
        assert!(Instant::now() < end, "not in time: {what}");
        sleep(Duration::from_millis(20)).await;
    }
}

/// nats-server with the project's streams and no authentication; permissions are `tests/permissions`' part.
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

    /// Approves as the filter does; returns what the requester hears.
    pub async fn approve(&self, request: &Request) -> Hearing {
        let subscriber = self
            .client
            .subscribe(request.reply_to.clone())
            .await
            .unwrap();
        self.client.flush().await.unwrap();
        let context = self.context();
        let published = context
            .publish_with_headers(
                request.subject(),
                request.headers(),
                request.body.clone().into(),
            )
            .await;
        published.unwrap().await.unwrap();
        self.client
            .publish("chat.event.approved", "".into())
            .await
            .unwrap();
        Hearing(subscriber)
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

/// An approved request, as a test wants it.
#[derive(Clone)]
pub struct Request {
    pub id: Uuid,
    pub lane: &'static str,
    pub client: String,
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
            events: "none",
            reply_to: format!("_INBOX_gateway.test.{id}"),
            deadline: Duration::from_secs(60),
            body: json!({"messages": [{"role": "user", "content": prompt}]}).to_string(),
        }
    }

    pub fn hearing(prompt: &str, events: &'static str) -> Self {
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
        format!("chat.approved.{}.{}.{}", self.lane, self.client, self.id)
    }

    pub fn result(&self) -> String {
        format!("chat.result.{}.{}", self.client, self.id)
    }

    fn headers(&self) -> HeaderMap {
        let deadline = SystemTime::now().duration_since(UNIX_EPOCH).unwrap() + self.deadline;
        let mut headers = HeaderMap::new();
        headers.insert("Chat-Id", self.id.to_string());
        headers.insert("Chat-Client", self.client.as_str());
        headers.insert("Chat-Lane", self.lane);
        headers.insert("Chat-Deadline", deadline.as_millis().to_string());
        headers.insert("Chat-Reply-To", self.reply_to.as_str());
        headers.insert("Chat-Events", self.events);
        headers.insert("Chat-Body-SHA256", "ab".repeat(32));
        headers.insert(
            "traceparent",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        );
        headers
    }
}

/// One reply message.
#[derive(Debug)]
pub struct Heard {
    pub event: String,
    pub attempt: u64,
    pub seq: u64,
    pub body: Value,
    pub headers: HeaderMap,
}

/// What a requester hears.
pub struct Hearing(Subscriber);

impl Hearing {
    /// The next message, as it is.
    pub async fn message(&mut self) -> Message {
        let message = timeout(PATIENCE, self.0.next()).await;
        message.expect("nothing was heard").unwrap()
    }

    /// The next event.
    pub async fn next(&mut self) -> Heard {
        let message = self.message().await;
        let headers = message.headers.expect("an event has headers");
        let header = |name: &str| headers.get(name).unwrap().as_str();
        Heard {
            event: header("Chat-Event").to_owned(),
            attempt: header("Chat-Attempt").parse().unwrap(),
            seq: header("Chat-Seq").parse().unwrap(),
            body: serde_json::from_slice(&message.payload).unwrap(),
            headers,
        }
    }

    /// Every event up to the final one.
    pub async fn all(&mut self) -> Vec<Heard> {
        let mut heard = Vec::new();
        loop {
            heard.push(self.next().await);
            if matches!(heard.last().unwrap().event.as_str(), "done" | "error") {
                return heard;
            }
        }
    }

    /// Whether nothing more is said for a while.
    pub async fn is_quiet(&mut self) -> bool {
        timeout(Duration::from_millis(500), self.0.next())
            .await
            .is_err()
    }
}

/// The stand-in for llama.cpp.
pub struct Standin {
    pub port: u16,
    process: Child,
}

impl Standin {
    pub async fn start(options: &[&str]) -> Self {
        Self::start_on(free_port(), options).await
    }

    pub async fn start_on(port: u16, options: &[&str]) -> Self {
        let mut process = Command::new("python3")
            .arg(repository().join("tests/standin/llama.py"))
            .args(["--port", &port.to_string()])
            .args(options)
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let first = timeout(PATIENCE, lines.next_line()).await.unwrap().unwrap();
        assert!(first.unwrap().starts_with("listening"));
        Self { port, process }
    }

    pub async fn kill(mut self) {
        self.process.kill().await.unwrap();
    }

    pub async fn fault(&self, fault: Value) {
        let url = format!("http://127.0.0.1:{}/standin/faults", self.port);
        let client = reqwest::Client::new();
        client
            .post(url)
            .body(fault.to_string())
            .send()
            .await
            .unwrap();
    }

    pub async fn log(&self) -> Value {
        let url = format!("http://127.0.0.1:{}/standin/log", self.port);
        let body = reqwest::get(url).await.unwrap().bytes().await.unwrap();
        serde_json::from_slice(&body).unwrap()
    }

    /// How each generation ended, in the order in which they began.
    pub async fn outcomes(&self) -> Vec<String> {
        let log = self.log().await;
        let generations = log["generations"].as_array().unwrap();
        generations
            .iter()
            .map(|generation| generation["outcome"].as_str().unwrap().to_owned())
            .collect()
    }

    /// When each generation began (one clock for all on this machine), and its prompt.
    pub async fn prompts(&self) -> Vec<(f64, String)> {
        let log = self.log().await;
        let generations = log["generations"].as_array().unwrap();
        let begun = generations.iter().map(|generation| {
            let prompt = generation["prompt"].as_str().unwrap().to_owned();
            (generation["started"].as_f64().unwrap(), prompt)
        });
        begun.collect()
    }

    /// Waits until it is writing its `count`th answer, and has begun to.
    pub async fn writes(&self, count: usize) {
        until("the model writes", async || {
            let log = self.log().await;
            let generations = log["generations"].as_array().unwrap();
            let last = generations.last()?;
            (generations.len() == count && last["tokens"].as_u64().unwrap() > 0).then_some(())
        })
        .await;
    }
}

/// The consumer, in this process.
pub struct Consumer {
    pub port: u16,
    stop: Option<oneshot::Sender<()>>,
    running: JoinHandle<Result<(), RunError>>,
}

impl Consumer {
    pub fn start(bus: &Bus, model_port: u16, options: &[&str]) -> Self {
        let port = free_port();
        let arguments = [
            "stile-consumer".to_owned(),
            format!("--nats-url={}", bus.url()),
            format!("--llama-url=http://127.0.0.1:{model_port}"),
            format!("--port={port}"),
        ];
        let options = options.iter().map(|option| (*option).to_owned());
        let config = Config::try_parse_from(arguments.into_iter().chain(options)).unwrap();
        let (stop, stopped) = oneshot::channel();
        let running = tokio::spawn(stile_consumer::run(config, async {
            let _ = stopped.await;
        }));
        Self {
            port,
            stop: Some(stop),
            running,
        }
    }

    /// Asks it to stop, as SIGTERM does.
    pub fn ask_to_stop(&mut self) {
        self.stop.take().unwrap().send(()).unwrap();
    }

    /// Stops it and waits until it has ended.
    pub async fn stop(mut self) {
        if self.stop.is_some() {
            self.ask_to_stop();
        }
        timeout(PATIENCE, self.running)
            .await
            .expect("it does not stop")
            .unwrap()
            .unwrap();
    }

    /// Ends it where it is, as a crash would.
    pub async fn kill(self) {
        self.running.abort();
        let _ = self.running.await;
    }

    pub async fn get(&self, path: &str) -> Option<(u16, String)> {
        let url = format!("http://127.0.0.1:{}{path}", self.port);
        let response = reqwest::get(url).await.ok()?;
        Some((response.status().as_u16(), response.text().await.ok()?))
    }

    pub async fn is_ready(&self) {
        until("the consumer is ready", async || {
            (self.get("/readyz").await?.0 == 200).then_some(())
        })
        .await;
    }
}
