//! NATS, as this service uses it. Errors of `async-nats` end here, in [`crate::jobs`], [`crate::kept`] and
//! [`crate::outcome`].
//!
//! Every call is bounded: through an outage `async-nats` keeps what it is given and waits.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_nats::jetstream::{self, context::ContextBuilder};
use async_nats::subject::ToSubject;
use async_nats::{
    Client, ConnectOptions, Event, HeaderMap, Server, Subject, Subscriber, connection::State,
};
use bytes::Bytes;
use tokio::time::timeout;

use crate::config::Config;
use crate::error::BusError;
use crate::status::Status;
use crate::subjects::INBOX_PREFIX;

/// A question to the server is asked again after this time.
pub const QUESTION: Duration = Duration::from_secs(2);
const PING: Duration = Duration::from_secs(10);
const LONGEST_RECONNECT_WAIT: Duration = Duration::from_secs(1);

/// The connection to NATS; cheap to clone.
#[derive(Debug, Clone)]
pub struct Bus {
    pub(crate) client: Client,
    pub(crate) context: jetstream::Context,
}

impl Bus {
    /// Makes the client, which connects in the background and again whenever the connection is lost.
    ///
    /// # Errors
    /// [`BusError::Client`] where the settings cannot be used.
    pub async fn connect(config: &Config, status: Status) -> Result<Self, BusError> {
        let told = Arc::new(AtomicBool::new(false));
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
            // Asked before each attempt, it leaves the choice to async-nats; it alone is told what went wrong.
            .reconnect_to_server_callback({
                let told = Arc::clone(&told);
                move |servers, _| {
                    explain(&servers, &told);
                    std::future::ready(None)
                }
            })
            .event_callback(move |event| {
                note(&event, &status, &told);
                std::future::ready(())
            });
        options = config.nats_tls.apply(options);
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

    /// Listens to a subject; it is heard from before anything that is asked for after this.
    ///
    /// # Errors
    /// [`BusError`]: the client takes nothing more.
    pub async fn subscribe(&self, subject: impl ToSubject) -> Result<Subscriber, BusError> {
        bounded(QUESTION, self.client.subscribe(subject)).await
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

/// Says why the last attempt failed; `told` keeps an outage from being told at every attempt to end it.
fn explain(servers: &[Server], told: &AtomicBool) {
    let reason = servers
        .iter()
        .find_map(|server| server.last_error.as_deref());
    if let Some(reason) = reason
        && !told.swap(true, Ordering::Relaxed)
    {
        tracing::warn!(reason, "the bus cannot be reached, trying again");
    }
}

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
        // Where there is no more to say: a name that is not known fails before any server is asked.
        Event::ClientError(error) if !told.swap(true, Ordering::Relaxed) => {
            tracing::warn!(reason = %error, "the bus cannot be reached, trying again");
        }
        Event::ServerError(_) | Event::SlowConsumer(_) => {
            tracing::warn!(%event, "trouble on the bus");
        }
        other => tracing::debug!(event = %other, "bus"),
    }
}
