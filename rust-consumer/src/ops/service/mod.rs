//! The worker as a NATS service (ADR-32 of NATS), so that `nats micro ls` shows it: model, speed,
//! load.
//!
//! It is written here, as the one of `async-nats` answers to any reply subject (docs/adr/0027).

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::Duration;

use async_nats::{Message, Subscriber};
use futures_util::StreamExt;
use futures_util::stream::{SelectAll, select_all};
use serde::Serialize;
use time::OffsetDateTime;
use tokio_util::sync::CancellationToken;

use super::status::{State, Status};
use crate::bus::Bus;
use crate::contract::subjects::{APPROVED, CHAT_STREAM, is_operators};
use crate::error::BusError;

/// All workers are instances of this service.
const NAME: &str = "stile-worker";
/// The questions, `$SRV.<verb>`.
const VERBS: [&str; 3] = ["PING", "INFO", "STATS"];

/// This process among the workers.
#[derive(Debug, Clone)]
pub struct Identity {
    /// Unique to the process, one token; the heartbeat's too.
    pub instance: String,
    /// How many requests it answers at the same time.
    pub concurrency: u16,
    /// When it was started.
    pub started: OffsetDateTime,
}

/// The questions about the service.
#[derive(Debug)]
pub struct Questions {
    questions: SelectAll<Subscriber>,
    identity: Identity,
}

impl Questions {
    /// Subscribes to the questions to all services, to this one, and to this instance of it.
    ///
    /// # Errors
    /// [`BusError`]: the client takes no subscription.
    pub async fn subscribe(bus: &Bus, identity: Identity) -> Result<Self, BusError> {
        let mut questions = Vec::new();
        for verb in VERBS {
            for subject in [
                format!("$SRV.{verb}"),
                format!("$SRV.{verb}.{NAME}"),
                format!("$SRV.{verb}.{NAME}.{}", identity.instance),
            ] {
                questions.push(bus.subscribe(subject).await?);
            }
        }
        Ok(Self {
            questions: select_all(questions),
            identity,
        })
    }

    /// Answers with what is known at the time, until `stop`.
    pub async fn answer(mut self, bus: Bus, status: Status, stop: CancellationToken) {
        let answering = async {
            while let Some(question) = self.questions.next().await {
                reply(&bus, &self.identity, &status.now(), question).await;
            }
        };
        stop.run_until_cancelled(answering).await;
    }
}

/// Only the operator's inbox is answered: an answer that is sent elsewhere could pass for something
/// else.
async fn reply(bus: &Bus, identity: &Identity, state: &State, question: Message) {
    let Some(reply_to) = question.reply.filter(|subject| is_operators(subject)) else {
        return;
    };
    let body = match question.subject.split('.').nth(1) {
        Some("PING") => serde_json::to_vec(&Ping::new(identity, state)),
        Some("INFO") => serde_json::to_vec(&Info::new(identity, state)),
        _ => serde_json::to_vec(&Stats::new(identity, state)),
    };
    let published = match body {
        Ok(body) => bus
            .publish(reply_to, None, body.into())
            .await
            .map_err(|error| error.to_string()),
        Err(error) => Err(error.to_string()),
    };
    if let Err(error) = published {
        tracing::warn!(error, "a question about this service was not answered");
    }
}

#[derive(Serialize)]
struct Ping<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    name: &'static str,
    id: &'a str,
    version: &'static str,
    metadata: BTreeMap<&'static str, String>,
}

impl<'a> Ping<'a> {
    fn new(identity: &'a Identity, state: &State) -> Self {
        let mut metadata = BTreeMap::from([("concurrency", identity.concurrency.to_string())]);
        if let Some(model) = &state.model {
            metadata.insert("model", model.to_string());
        }
        Self {
            kind: "io.nats.micro.v1.ping_response",
            name: NAME,
            id: &identity.instance,
            version: env!("CARGO_PKG_VERSION"),
            metadata,
        }
    }
}

/// Requests come from the stream, which hands each to one worker: so the stream takes the place of
/// the queue group.
#[derive(Serialize)]
struct Endpoint {
    name: &'static str,
    subject: &'static str,
    queue_group: &'static str,
}

const ENDPOINT: Endpoint = Endpoint {
    name: "chat",
    subject: APPROVED,
    queue_group: CHAT_STREAM,
};

#[derive(Serialize)]
struct Info<'a> {
    #[serde(flatten)]
    service: Ping<'a>,
    description: String,
    endpoints: [Endpoint; 1],
}

impl<'a> Info<'a> {
    fn new(identity: &'a Identity, state: &State) -> Self {
        Self {
            service: Ping {
                kind: "io.nats.micro.v1.info_response",
                ..Ping::new(identity, state)
            },
            description: describe(state),
            endpoints: [ENDPOINT],
        }
    }
}

#[derive(Serialize)]
struct Stats<'a> {
    #[serde(flatten)]
    service: Ping<'a>,
    #[serde(with = "time::serde::rfc3339")]
    started: OffsetDateTime,
    endpoints: [EndpointStats<'a>; 1],
}

#[derive(Serialize)]
struct EndpointStats<'a> {
    #[serde(flatten)]
    endpoint: Endpoint,
    num_requests: u64,
    num_errors: u64,
    last_error: &'static str,
    /// Nanoseconds, as the next.
    processing_time: u64,
    average_processing_time: u64,
    data: Load<'a>,
}

/// What a heartbeat says, and what is in flight.
#[derive(Serialize)]
struct Load<'a> {
    ready: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<Cow<'static, str>>,
    #[serde(rename = "in_hand")]
    in_flight: u64,
    answered: u64,
    failed: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    model: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    service_seconds: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    prompt_per_second: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    predicted_per_second: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    answer_tokens: Option<f64>,
}

impl<'a> Stats<'a> {
    fn new(identity: &'a Identity, state: &'a State) -> Self {
        let ended = &state.ended;
        let requests = ended.answered + ended.failed;
        let time = nanoseconds(ended.time);
        let reason = state.unready();
        Self {
            service: Ping {
                kind: "io.nats.micro.v1.stats_response",
                ..Ping::new(identity, state)
            },
            started: identity.started,
            endpoints: [EndpointStats {
                endpoint: ENDPOINT,
                num_requests: requests,
                num_errors: ended.failed,
                last_error: ended.last_error.unwrap_or_default(),
                processing_time: time,
                average_processing_time: time.checked_div(requests).unwrap_or_default(),
                data: Load {
                    ready: reason.is_none(),
                    reason,
                    in_flight: state.in_flight,
                    answered: ended.answered,
                    failed: ended.failed,
                    model: state.model.as_deref(),
                    service_seconds: state.service_seconds,
                    prompt_per_second: state.prompt_per_second,
                    predicted_per_second: state.predicted_per_second,
                    answer_tokens: state.answer_tokens,
                },
            }],
        }
    }
}

/// The model, its speed and its load in words: the only place for them in what `nats micro ls`
/// prints.
fn describe(state: &State) -> String {
    let model = state.model.as_deref().unwrap_or("model not known yet");
    let speed = state.predicted_per_second.map_or_else(
        || "speed not measured yet".to_owned(),
        |speed| format!("{speed:.1} tokens/s"),
    );
    let load = match (state.unready(), state.in_flight) {
        (Some(reason), _) => format!("not ready: {reason}"),
        (None, 0) => "idle".to_owned(),
        (None, _) => "busy".to_owned(),
    };
    format!("{model}, {speed}, {load}")
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
