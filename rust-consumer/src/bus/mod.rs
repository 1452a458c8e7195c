//! NATS, as this service uses it. Errors of `async-nats` are translated in this folder, and come no
//! further.
//!
//! Every call has a time limit: during an outage `async-nats` keeps what it is given, and waits.

pub mod answer_checks;
pub mod dead_letters;
pub mod jobs;
pub mod log;
pub mod replies;
pub mod results;
pub mod retry;
pub mod tls;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use async_nats::jetstream::context::{ContextBuilder, PublishErrorKind};
use async_nats::jetstream::message::PublishMessage;
use async_nats::jetstream::{self, ErrorCode as ServerCode};
use async_nats::subject::ToSubject;
use async_nats::{
    Client, ConnectOptions, Event, HeaderMap, Server, Subject, Subscriber, connection::State,
};
use bytes::Bytes;
use tokio::time::timeout;

use crate::config::Config;
use crate::contract::subjects::INBOX_PREFIX;
use crate::error::BusError;
use crate::ops::status::Status;

/// A request to the server that is not answered within this time has failed.
pub const REQUEST_TIMEOUT: Duration = Duration::from_secs(2);
const PING: Duration = Duration::from_secs(10);
const LONGEST_RECONNECT_WAIT: Duration = Duration::from_secs(1);

/// The connection to NATS; cheap to clone.
#[derive(Debug, Clone)]
pub struct Bus {
    client: Client,
    context: jetstream::Context,
    /// How often it was connected.
    connections: Arc<AtomicU64>,
}

impl Bus {
    /// Makes the client, which connects in the background and again whenever the connection is
    /// lost.
    ///
    /// # Errors
    /// [`BusError::Client`]: the settings cannot be used.
    pub async fn connect(config: &Config, status: Status) -> Result<Self, BusError> {
        let logged = Arc::new(AtomicBool::new(false));
        let connections = Arc::new(AtomicU64::new(0));
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
            .request_timeout(Some(REQUEST_TIMEOUT))
            // It leaves the choice to async-nats. Nothing else receives the reason of a failed
            // attempt.
            .reconnect_to_server_callback({
                let logged = Arc::clone(&logged);
                move |servers, _| {
                    explain(&servers, &logged);
                    std::future::ready(None)
                }
            })
            .event_callback({
                let connections = Arc::clone(&connections);
                move |event| {
                    if matches!(event, Event::Connected) {
                        connections.fetch_add(1, Ordering::Relaxed);
                    }
                    note(&event, &status, &logged);
                    std::future::ready(())
                }
            });
        options = config.nats_tls.apply(options);
        if let Some(seed) = &config.seed {
            options = options.nkey(seed.reveal().to_owned());
        }
        let client = options.connect(&config.nats_url[..]).await;
        let client = client.map_err(|error| BusError::Client(error.to_string()))?;
        let context = ContextBuilder::new()
            .timeout(REQUEST_TIMEOUT)
            .ack_timeout(REQUEST_TIMEOUT)
            .build(client.clone());
        Ok(Self {
            client,
            context,
            connections,
        })
    }

    /// The number of the connection: messages that are sent between two of them are missed.
    #[must_use]
    pub fn connection(&self) -> u64 {
        self.connections.load(Ordering::Relaxed)
    }

    /// Whether the connection stands.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        self.client.connection_state() == State::Connected
    }

    /// Subscribes to a subject, before anything that is asked for after this.
    ///
    /// # Errors
    /// [`BusError`]: the client takes nothing more.
    pub async fn subscribe(&self, subject: impl ToSubject) -> Result<Subscriber, BusError> {
        bounded(REQUEST_TIMEOUT, self.client.subscribe(subject)).await
    }

    /// Publishes; it is on its way when this returns, in the order of the calls.
    ///
    /// # Errors
    /// [`BusError::TimedOut`]: so much waits to be sent that nothing more is accepted.
    pub async fn publish(
        &self,
        subject: Subject,
        headers: Option<HeaderMap>,
        body: Bytes,
    ) -> Result<(), BusError> {
        match headers {
            Some(headers) => {
                bounded(
                    REQUEST_TIMEOUT,
                    self.client.publish_with_headers(subject, headers, body),
                )
                .await
            }
            None => bounded(REQUEST_TIMEOUT, self.client.publish(subject, body)).await,
        }
    }

    /// Writes a message of `stream` unless its subject holds one already; returns whether it was
    /// written.
    ///
    /// # Errors
    /// [`BusError`]: it is not known to be stored; [`BusError::TooLarge`]: it never will be;
    /// [`BusError::Missing`]: no stream takes the subject.
    pub async fn create_only(
        &self,
        stream: &'static str,
        subject: String,
        message: PublishMessage,
    ) -> Result<bool, BusError> {
        let message = message.expected_last_subject_sequence(0);
        let stored = async { self.context.send_publish(subject, message).await?.await };
        match tokio::time::timeout(REQUEST_TIMEOUT, stored).await {
            Ok(Ok(_)) => Ok(true),
            Ok(Err(error)) => match error.kind() {
                PublishErrorKind::WrongLastSequence => Ok(false),
                PublishErrorKind::MaxPayloadExceeded => Err(BusError::TooLarge),
                PublishErrorKind::StreamNotFound => Err(BusError::Missing(stream)),
                PublishErrorKind::TimedOut => Err(BusError::TimedOut),
                _ if is_wrong_last_sequence(&error) => Ok(false),
                _ => Err(BusError::Refused(error.to_string())),
            },
            Err(_) => Err(BusError::TimedOut),
        }
    }

    /// Waits until everything published is written to the server.
    ///
    /// # Errors
    /// [`BusError`]: the bus is away.
    pub async fn flush(&self) -> Result<(), BusError> {
        bounded(REQUEST_TIMEOUT, self.client.flush()).await
    }

    /// Ends the connection when what was published is written.
    pub async fn close(&self) {
        if !self.is_connected() {
            return;
        }
        if let Err(error) = self.flush().await {
            tracing::warn!(%error, "what was published last may be lost");
        }
        if let Err(error) = bounded(REQUEST_TIMEOUT, self.client.drain()).await {
            tracing::warn!(%error, "the connection was not drained");
        }
    }
}

/// A cluster may answer 10164, the same refusal under another number.
fn is_wrong_last_sequence(error: &(dyn std::error::Error + 'static)) -> bool {
    let server = error
        .source()
        .and_then(|source| source.downcast_ref::<async_nats::jetstream::Error>());
    server
        .is_some_and(|error| error.error_code() == ServerCode::STREAM_WRONG_LAST_SEQUENCE_CONSTANT)
}

/// Waits for a call of `async-nats`, up to the limit.
async fn bounded<T, E: Into<async_nats::Error>>(
    limit: Duration,
    call: impl Future<Output = Result<T, E>>,
) -> Result<T, BusError> {
    match timeout(limit, call).await {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(BusError::Refused(error.into().to_string())),
        Err(_) => Err(BusError::TimedOut),
    }
}

/// Logs why the last attempt failed: once an outage, which `logged` remembers.
fn explain(servers: &[Server], logged: &AtomicBool) {
    let reason = servers
        .iter()
        .find_map(|server| server.last_error.as_deref());
    if let Some(reason) = reason
        && !logged.swap(true, Ordering::Relaxed)
    {
        tracing::warn!(reason, "the bus cannot be reached, trying again");
    }
}

fn note(event: &Event, status: &Status, logged: &AtomicBool) {
    match event {
        Event::Connected => {
            logged.store(false, Ordering::Relaxed);
            status.set_connected(true);
            tracing::info!("connected to the bus");
        }
        Event::Disconnected | Event::Closed => {
            status.set_connected(false);
            tracing::warn!("the bus is away");
        }
        // A name that is not known fails before any server is asked, and is reported here alone.
        Event::ClientError(error) if !logged.swap(true, Ordering::Relaxed) => {
            tracing::warn!(reason = %error, "the bus cannot be reached, trying again");
        }
        Event::ServerError(_) | Event::SlowConsumer(_) => {
            tracing::warn!(%event, "trouble on the bus");
        }
        other => tracing::debug!(event = %other, "bus"),
    }
}
