//! The stream of jobs: what is in it, pulling one, holding it, and the acknowledgement.

use std::collections::HashMap;
use std::time::{Duration, SystemTime};

use async_nats::jetstream;
use async_nats::jetstream::consumer::{AckPolicy, PullConsumer, pull};
use async_nats::jetstream::response::Response;
use async_nats::{HeaderMap, Request, Subject};
use bytes::Bytes;
use futures_util::StreamExt;
use serde::Deserialize;
use serde_json::json;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tokio::time::{Instant, sleep_until, timeout_at};

use super::{Bus, REQUEST_TIMEOUT, bounded};
use crate::contract::address::{Address, Durable};
use crate::contract::subjects::{ALL_CHAT, CHAT_STREAM, HOLD};
use crate::error::{BusError, JobError};

/// The stream gives a job to another worker after this long without a renewal (`ack_wait`).
pub const LEASE: Duration = Duration::from_secs(10);
/// The last delivery answers that there were too many (docs/adr/0001).
const MAX_DELIVER: i64 = 4;
/// A durable consumer is forgotten after this long without a pull and without a job in flight.
const FORGOTTEN: Duration = Duration::from_secs(300);
/// A renewal that failed is tried again after this.
const AGAIN: Duration = Duration::from_millis(500);

/// How a delivery is acknowledged at its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AckDecision {
    /// Done: it leaves the stream.
    Ack,
    /// Given back, to be delivered again after the time.
    Nak(Duration),
    /// Given up, for the reason: it leaves the stream.
    Term(&'static str),
    /// Thrown away, for the reason: it leaves the stream without an event, as it never was a job.
    Reject(&'static str),
    /// Nothing: another worker may have the lease.
    Leave,
}

impl AckDecision {
    /// Whether the job is over with it.
    #[must_use]
    pub fn is_end(self) -> bool {
        matches!(self, Self::Ack | Self::Term(_))
    }
}

/// A message as it came from the stream.
#[derive(Debug)]
pub struct Delivery {
    /// Its subject, as the filter's signature has it.
    pub subject: Subject,
    /// What the subject says; `None` if it is no request's. It is parsed here alone.
    pub address: Option<Address>,
    /// Its headers; empty if it has none.
    pub headers: HeaderMap,
    /// Its body.
    pub payload: Bytes,
    /// How often it was delivered, from 1.
    pub attempt: u64,
    /// When it came.
    pub received: Instant,
    /// How long it had been in the stream then, by this machine's clock and the server's.
    pub waited: Duration,
    /// Whether a look for its result, begun while it was in the stream, has found none.
    pub looked_up: bool,
    /// Where it is acknowledged.
    ack: Subject,
}

impl Delivery {
    /// Whether it is known to have no result. If nobody had it before, only a cancellation can have
    /// stored one since the look, and its event is remembered.
    #[must_use]
    pub fn is_new(&self) -> bool {
        self.looked_up && self.attempt == 1
    }

    /// `None` if the stream did not deliver the message.
    fn of(message: jetstream::Message) -> Option<Self> {
        let info = message.info().ok()?;
        let attempt = u64::try_from(info.delivered).ok()?;
        let waited = SystemTime::now().duration_since(info.published.into());
        let waited = waited.unwrap_or_default();
        let message = message.message;
        Some(Self {
            address: Address::parse(&message.subject),
            subject: message.subject,
            headers: message.headers.unwrap_or_default(),
            payload: message.payload,
            attempt,
            received: Instant::now(),
            waited,
            looked_up: false,
            ack: message.reply?,
        })
    }

    /// A first delivery that a test makes up.
    #[cfg(test)]
    pub(crate) fn for_test(subject: &str, headers: HeaderMap, payload: &'static str) -> Self {
        Self {
            subject: subject.into(),
            address: Address::parse(subject),
            headers,
            payload: payload.into(),
            attempt: 1,
            received: Instant::now(),
            waited: Duration::ZERO,
            looked_up: false,
            ack: "$JS.ACK".into(),
        }
    }
}

/// What the stream of jobs holds.
#[derive(Debug)]
pub struct Listing {
    /// Whether the queue is on hold.
    pub held: bool,
    /// The requests that wait, and those that are in flight.
    pub addresses: Vec<Address>,
    /// nats-server's time; `None` if it does not send it.
    pub server_time: Option<SystemTime>,
}

#[derive(Deserialize)]
struct Info {
    state: Subjects,
    ts: Option<String>,
}

#[derive(Deserialize)]
struct Subjects {
    /// How many messages each holds; absent if there are none.
    #[serde(default)]
    subjects: HashMap<String, u64>,
}

impl Bus {
    /// Lists the stream. A subject that is no request's is left out.
    ///
    /// # Errors
    /// [`BusError`]: the stream may not be there yet.
    pub async fn jobs(&self) -> Result<Listing, BusError> {
        let subject = format!("STREAM.INFO.{CHAT_STREAM}");
        let filter = json!({ "subjects_filter": ALL_CHAT });
        let asked = self.context.request(subject, &filter);
        match bounded(REQUEST_TIMEOUT, asked).await? {
            Response::Ok(Info { state, ts }) => Ok(Listing {
                held: state.subjects.contains_key(HOLD),
                addresses: state
                    .subjects
                    .keys()
                    .filter_map(|subject| Address::parse(subject))
                    .collect(),
                server_time: ts
                    .and_then(|ts| OffsetDateTime::parse(&ts, &Rfc3339).ok())
                    .map(SystemTime::from),
            }),
            Response::Err { error } => Err(BusError::Refused(error.to_string())),
        }
    }

    /// Makes a durable consumer; if it is there already, finds it.
    ///
    /// # Errors
    /// [`BusError`]: the stream may not be there.
    pub async fn durable(&self, durable: &Durable) -> Result<PullConsumer, BusError> {
        let config = pull::Config {
            durable_name: Some(durable.name()),
            filter_subject: durable.filter(),
            ack_policy: AckPolicy::Explicit,
            ack_wait: LEASE,
            max_deliver: MAX_DELIVER,
            inactive_threshold: FORGOTTEN,
            ..pull::Config::default()
        };
        let made = self.context.create_consumer_on_stream(config, CHAT_STREAM);
        bounded(REQUEST_TIMEOUT, made).await
    }

    /// Pulls one job; `None` if none waits, as all of this durable's jobs are in flight.
    ///
    /// A stop waits for this: a message on its way to a pull that nobody listens to any more would
    /// stay undelivered until its lease ends.
    ///
    /// # Errors
    /// [`BusError`]: the durable, the stream or the bus is away.
    pub async fn pull(&self, durable: &PullConsumer) -> Result<Option<Delivery>, BusError> {
        let pull = async {
            let mut batch = durable.fetch().max_messages(1).messages().await?;
            let message = batch.next().await.transpose()?;
            Ok::<_, async_nats::Error>(message)
        };
        let message = bounded(REQUEST_TIMEOUT, pull).await?;
        Ok(message.and_then(Delivery::of))
    }

    /// Acknowledges a delivery as decided, and waits for the server's confirmation (`double_ack`).
    ///
    /// The words are written here, as async-nats' `AckKind` has no reason for TERM.
    ///
    /// # Errors
    /// [`BusError`]; the message may be delivered again.
    pub async fn acknowledge(
        &self,
        delivery: &Delivery,
        decision: AckDecision,
    ) -> Result<(), BusError> {
        let words = match decision {
            AckDecision::Ack => "+ACK".to_owned(),
            AckDecision::Nak(Duration::ZERO) => "-NAK".to_owned(),
            AckDecision::Nak(delay) => format!("-NAK {{\"delay\": {}}}", delay.as_nanos()),
            AckDecision::Term(reason) | AckDecision::Reject(reason) => format!("+TERM {reason}"),
            AckDecision::Leave => return Ok(()),
        };
        self.confirm(delivery, words).await
    }

    /// Renews the lease of a delivery, and waits for the server's confirmation.
    ///
    /// # Errors
    /// [`BusError`]; the lease runs on from its last renewal.
    pub async fn renew(&self, delivery: &Delivery) -> Result<(), BusError> {
        self.confirm(delivery, "+WPI".to_owned()).await
    }

    async fn confirm(&self, delivery: &Delivery, words: String) -> Result<(), BusError> {
        let request = Request::new().payload(Bytes::from(words));
        let confirmed = self.client.send_request(delivery.ack.clone(), request);
        bounded(REQUEST_TIMEOUT, confirmed).await.map(drop)
    }
}

/// A worker's lease of one delivery.
#[derive(Debug)]
pub struct Lease<'a> {
    bus: &'a Bus,
    delivery: &'a Delivery,
    /// The stream gives the job to another after this long without a renewal (`ack_wait`).
    length: Duration,
}

impl<'a> Lease<'a> {
    /// A lease that began when the delivery was received.
    #[must_use]
    pub fn new(bus: &'a Bus, delivery: &'a Delivery, length: Duration) -> Self {
        Self {
            bus,
            delivery,
            length,
        }
    }

    /// Awaits `work` while the lease can be renewed.
    ///
    /// # Errors
    /// [`JobError::LeaseLost`]: the work was dropped; otherwise the work's own.
    pub async fn keep<T>(
        &self,
        work: impl Future<Output = Result<T, JobError>>,
    ) -> Result<T, JobError> {
        tokio::select! {
            biased;
            done = work => done,
            () = self.renew_until_lost() => Err(JobError::LeaseLost),
        }
    }

    /// A tenth of the lease is left for the renewal's way to the server, and for clocks that run at
    /// different speeds.
    async fn renew_until_lost(&self) {
        let mut end = self.delivery.received + self.length.mul_f64(0.9);
        let mut next = self.delivery.received + self.length.mul_f64(0.3);
        loop {
            sleep_until(next).await;
            let asked = Instant::now();
            if asked >= end {
                return; // The process was paused: the job may be another's.
            }
            match timeout_at(end, self.bus.renew(self.delivery)).await {
                Ok(Ok(())) => {
                    end = asked + self.length.mul_f64(0.9);
                    next = asked + self.length.mul_f64(0.3);
                }
                Ok(Err(error)) => {
                    tracing::warn!(%error, "the lease was not renewed, trying again");
                    next = Instant::now() + AGAIN;
                }
                Err(_) => return,
            }
        }
    }
}
