//! NATS, as this service uses it. Errors of `async-nats` end here and in [`crate::outcome`].
//!
//! Every call is bounded: through an outage `async-nats` keeps what it is given and waits.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_nats::jetstream::consumer::{AckPolicy, PullConsumer, pull};
use async_nats::jetstream::response::Response;
use async_nats::jetstream::{self, context::ContextBuilder};
use async_nats::{
    Client, ConnectOptions, Event, HeaderMap, Request, Subject, Subscriber, connection::State,
};
use bytes::Bytes;
use futures_util::StreamExt;
use serde::Deserialize;
use serde_json::json;
use tokio::time::{Instant, timeout};

use crate::config::Config;
use crate::error::BusError;
use crate::fair::{self, Waiting};
use crate::status::Status;
use crate::subjects::{APPROVED, CHAT_STREAM, INBOX_PREFIX, Line};

/// A question to the server is asked again after this time.
pub const QUESTION: Duration = Duration::from_secs(2);
/// The stream gives a job to another worker after this long without a renewal (DESIGN, decision 4).
pub const LEASE: Duration = Duration::from_secs(10);
/// The last delivery answers that there were too many (docs/adr/0001).
const MAX_DELIVER: i64 = 4;
/// A line's consumer is forgotten after this long without a pull and without a job in hand.
const FORGOTTEN: Duration = Duration::from_secs(300);
const PING: Duration = Duration::from_secs(10);
const LONGEST_RECONNECT_WAIT: Duration = Duration::from_secs(1);

/// How a delivered message is settled with the stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Settlement {
    /// Done: it leaves the stream.
    Ack,
    /// Given back, to be delivered again after the time.
    Nak(Duration),
    /// Given up, for the reason: it leaves the stream.
    Term(&'static str),
    /// Not touched: the lease is another's.
    Leave,
}

impl Settlement {
    /// Whether the job is over with it: it leaves the stream.
    #[must_use]
    pub fn is_end(self) -> bool {
        matches!(self, Self::Ack | Self::Term(_))
    }
}

/// A job as it came from the stream.
#[derive(Debug)]
pub struct Delivery {
    /// `chat.approved.<lane>.<client>.<id>`.
    pub subject: Subject,
    /// Its headers; empty where it has none.
    pub headers: HeaderMap,
    /// Its body.
    pub payload: Bytes,
    /// How often it was delivered, from 1.
    pub attempt: u64,
    /// When it came.
    pub received: Instant,
    ack: Subject,
}

impl Delivery {
    fn of(message: jetstream::Message) -> Option<Self> {
        let attempt = u64::try_from(message.info().ok()?.delivered).ok()?;
        let message = message.message;
        Some(Self {
            subject: message.subject,
            headers: message.headers.unwrap_or_default(),
            payload: message.payload,
            attempt,
            received: Instant::now(),
            ack: message.reply?,
        })
    }

    /// A first delivery of what a test made up.
    #[cfg(test)]
    pub(crate) fn for_test(subject: &str, headers: HeaderMap, payload: &'static str) -> Self {
        Self {
            subject: subject.into(),
            headers,
            payload: payload.into(),
            attempt: 1,
            received: Instant::now(),
            ack: "$JS.ACK".into(),
        }
    }
}

#[derive(Deserialize)]
struct Listing {
    state: Subjects,
}

#[derive(Deserialize)]
struct Subjects {
    /// How many messages each holds; left out where there is none.
    #[serde(default)]
    subjects: HashMap<String, u64>,
}

/// The connection to NATS; cheap to clone.
#[derive(Debug, Clone)]
pub struct Bus {
    client: Client,
    pub(crate) context: jetstream::Context,
}

impl Bus {
    /// Makes the client, which connects in the background and again whenever the connection is lost.
    ///
    /// # Errors
    /// [`BusError::Client`] where the settings cannot be used.
    pub async fn connect(config: &Config, status: Status) -> Result<Self, BusError> {
        let mut options = ConnectOptions::new()
            .name("stile-consumer")
            .custom_inbox_prefix(INBOX_PREFIX)
            .retry_on_initial_connect()
            .max_reconnects(None)
            .reconnect_delay_callback(|attempts| {
                let growing = Duration::from_millis(50)
                    .saturating_mul(u32::try_from(attempts).unwrap_or(u32::MAX));
                growing.min(LONGEST_RECONNECT_WAIT)
            })
            .ping_interval(PING)
            .request_timeout(Some(QUESTION))
            .event_callback({
                let told = AtomicBool::new(false);
                move |event| {
                    note(&event, &status, &told);
                    std::future::ready(())
                }
            });
        if let Some(seed) = &config.seed {
            options = options.nkey(seed.reveal().to_owned());
        }
        let client = options.connect(&config.nats_url[..]).await;
        let client = client.map_err(|error| BusError::Client(error.to_string()))?;
        let context = ContextBuilder::new()
            .timeout(QUESTION)
            .ack_timeout(QUESTION)
            .build(client.clone());
        Ok(Self { client, context })
    }

    /// Whether the connection stands.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        self.client.connection_state() == State::Connected
    }

    /// Asks whose requests lie in the stream: those that wait, and those that are in somebody's hand.
    ///
    /// # Errors
    /// [`BusError`]: the stream may not be there yet.
    pub async fn waiting(&self) -> Result<Vec<Waiting>, BusError> {
        let subject = format!("STREAM.INFO.{CHAT_STREAM}");
        let filter = json!({ "subjects_filter": APPROVED });
        let asked = self.context.request(subject, &filter);
        match bounded(QUESTION, asked).await? {
            Response::Ok(Listing { state }) => {
                Ok(fair::lines(state.subjects.keys().map(String::as_str)))
            }
            Response::Err { error } => Err(BusError::Refused(error.to_string())),
        }
    }

    /// Makes the durable consumer of a line; where it is there already, finds it.
    ///
    /// # Errors
    /// [`BusError`]: the stream may not be there.
    pub async fn consumer(&self, line: &Line) -> Result<PullConsumer, BusError> {
        let config = pull::Config {
            durable_name: Some(line.consumer()),
            filter_subject: line.filter(),
            ack_policy: AckPolicy::Explicit,
            ack_wait: LEASE,
            max_deliver: MAX_DELIVER,
            inactive_threshold: FORGOTTEN,
            ..pull::Config::default()
        };
        let made = self.context.create_consumer_on_stream(config, CHAT_STREAM);
        bounded(QUESTION, made).await
    }

    /// Pulls one job; `None` where none waits: its line's are all in somebody's hand.
    ///
    /// A stop waits for this, as a message that is on its way to a pull that nobody listens to any more would
    /// lie there until its lease ends.
    ///
    /// # Errors
    /// [`BusError`]: the consumer, the stream or the bus is away.
    pub async fn pull(&self, consumer: &PullConsumer) -> Result<Option<Delivery>, BusError> {
        let pull = async {
            let mut batch = consumer.fetch().max_messages(1).messages().await?;
            let message = batch.next().await.transpose()?;
            Ok::<_, async_nats::Error>(message)
        };
        let message = bounded(QUESTION, pull).await?;
        Ok(message.and_then(Delivery::of))
    }

    /// Listens to a subject; it is heard from before anything that is asked for after this.
    ///
    /// # Errors
    /// [`BusError`]: the client takes nothing more.
    pub async fn subscribe(&self, subject: &'static str) -> Result<Subscriber, BusError> {
        bounded(QUESTION, self.client.subscribe(subject)).await
    }

    /// Settles a delivery, and waits until the server has said that it knows (`double_ack`).
    ///
    /// # Errors
    /// [`BusError`]; the message may be delivered again.
    pub async fn settle(
        &self,
        delivery: &Delivery,
        settlement: Settlement,
    ) -> Result<(), BusError> {
        match settlement {
            Settlement::Ack => self.tell(delivery, Bytes::from_static(b"+ACK")).await,
            Settlement::Nak(Duration::ZERO) => {
                self.tell(delivery, Bytes::from_static(b"-NAK")).await
            }
            Settlement::Nak(delay) => {
                let body = format!("-NAK {{\"delay\": {}}}", delay.as_nanos());
                self.tell(delivery, body.into()).await
            }
            Settlement::Term(reason) => self.tell(delivery, format!("+TERM {reason}").into()).await,
            Settlement::Leave => Ok(()),
        }
    }

    /// Renews the lease of a delivery, and waits until the server has said that it knows.
    ///
    /// # Errors
    /// [`BusError`]; the lease runs on from its last renewal.
    pub async fn renew(&self, delivery: &Delivery) -> Result<(), BusError> {
        self.tell(delivery, Bytes::from_static(b"+WPI")).await
    }

    /// Publishes; it is on its way when this returns, in the order of the calls.
    ///
    /// # Errors
    /// [`BusError::TimedOut`] where so much waits to be sent that nothing more is taken.
    pub async fn publish(
        &self,
        subject: Subject,
        headers: Option<HeaderMap>,
        body: Bytes,
    ) -> Result<(), BusError> {
        match headers {
            Some(headers) => {
                bounded(
                    QUESTION,
                    self.client.publish_with_headers(subject, headers, body),
                )
                .await
            }
            None => bounded(QUESTION, self.client.publish(subject, body)).await,
        }
    }

    /// Waits until everything published is written to the server.
    ///
    /// # Errors
    /// [`BusError`]: the bus is away.
    pub async fn flush(&self) -> Result<(), BusError> {
        bounded(QUESTION, self.client.flush()).await
    }

    /// Ends the connection when what was published is written.
    pub async fn close(&self) {
        if !self.is_connected() {
            return;
        }
        if let Err(error) = self.flush().await {
            tracing::warn!(%error, "what was published last may be lost");
        }
        if let Err(error) = bounded(QUESTION, self.client.drain()).await {
            tracing::warn!(%error, "the connection was not drained");
        }
    }

    /// Says something about a delivery, as a request: the server answers when it knows.
    async fn tell(&self, delivery: &Delivery, body: Bytes) -> Result<(), BusError> {
        let request = Request::new().payload(body);
        bounded(
            QUESTION,
            self.client.send_request(delivery.ack.clone(), request),
        )
        .await
        .map(drop)
    }
}

/// Waits for what `async-nats` does, so long and no longer.
pub(crate) async fn bounded<T, E: Into<async_nats::Error>>(
    limit: Duration,
    call: impl Future<Output = Result<T, E>>,
) -> Result<T, BusError> {
    match timeout(limit, call).await {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(BusError::Refused(error.into().to_string())),
        Err(_) => Err(BusError::TimedOut),
    }
}

/// `told` keeps an outage from being told at every attempt to end it.
fn note(event: &Event, status: &Status, told: &AtomicBool) {
    match event {
        Event::Connected => {
            told.store(false, Ordering::Relaxed);
            status.set_connected(true);
            tracing::info!("connected to the bus");
        }
        Event::Disconnected | Event::Closed => {
            status.set_connected(false);
            tracing::warn!("the bus is away");
        }
        Event::ClientError(error) if !told.swap(true, Ordering::Relaxed) => {
            tracing::warn!(%error, "the bus cannot be reached, trying again");
        }
        Event::ServerError(_) | Event::SlowConsumer(_) => {
            tracing::warn!(%event, "trouble on the bus");
        }
        other => tracing::debug!(event = %other, "bus"),
    }
}
