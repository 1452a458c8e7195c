//! The heartbeat of a service.

use std::num::NonZeroU32;

use serde::{Deserialize, Serialize};

use super::{Message, within};
use crate::error::InvalidMessage;

/// Which service a heartbeat is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs)]
pub enum Part {
    Filter,
    Consumer,
}

/// One lane of the queue.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LaneState {
    /// Approved requests that no worker has taken up.
    pub waiting: u64,
    /// In how many seconds a new client's request would start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub estimate_seconds: Option<f64>,
}

/// All lanes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct QueueState {
    /// People wait for the answer.
    pub interactive: LaneState,
    /// Nobody does.
    pub batch: LaneState,
    /// Requests that a worker has taken up.
    pub running: u64,
}

/// What a filter or a consumer publishes about itself every two seconds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Heartbeat {
    /// Which service.
    pub part: Part,
    /// Unique to the process.
    pub instance: String,
    /// Its version.
    pub version: String,
    /// Whether it can serve.
    pub ready: bool,
    /// Why it is not ready, one sentence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The sender's clock: milliseconds since the Unix epoch, UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub now_ms: Option<u64>,
    /// The model's short name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// How long a request has lately taken, in seconds, a moving average.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service_seconds: Option<f64>,
    /// Tokens of prompts that the model reads a second, a moving average.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prompt_per_second: Option<f64>,
    /// Tokens of answers that it writes a second, a moving average.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub predicted_per_second: Option<f64>,
    /// Tokens of an answer, a moving average.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer_tokens: Option<f64>,
    /// Tokens that one conversation of the model may have, with its answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub n_ctx: Option<NonZeroU32>,
    /// Whether the model's chat template knows tools.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub supports_tools: Option<bool>,
    /// How long the sender counts as alive after this heartbeat, in seconds; 5 if it is absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alive_seconds: Option<f64>,
    /// The consumer's: the ids of the signing keys that it knows; absent if it checks no
    /// signatures.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approval_keys: Option<Vec<String>>,
    /// The consumer's: whether it has a filter check answers if an approval says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checks_answers: Option<bool>,
    /// The filter's: the queue as it sees it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queue: Option<QueueState>,
    /// The filter's: the version of the policy in use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<String>,
    /// The filter's: whether the policy's file is refused, so that an earlier policy is in use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy_refused: Option<bool>,
    /// Whether the queue is on hold: workers start nothing until it is resumed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held: Option<bool>,
}

impl Message for Heartbeat {
    fn check(&self) -> Result<(), InvalidMessage> {
        for (field, value) in [
            ("service_seconds", self.service_seconds),
            ("prompt_per_second", self.prompt_per_second),
            ("predicted_per_second", self.predicted_per_second),
            ("answer_tokens", self.answer_tokens),
        ] {
            within(field, value, 0.0..=f64::MAX)?;
        }
        within(
            "alive_seconds",
            self.alive_seconds,
            f64::MIN_POSITIVE..=60.0,
        )?;
        let mut keys = self.approval_keys.iter().flatten();
        if !keys.all(|key| is_key_id(key)) {
            return Err(InvalidMessage::Value("approval_keys"));
        }
        let lanes = self
            .queue
            .iter()
            .flat_map(|queue| [&queue.interactive, &queue.batch]);
        for lane in lanes {
            within("estimate_seconds", lane.estimate_seconds, 0.0..=f64::MAX)?;
        }
        Ok(())
    }
}

/// As `Chat-Signing-Key` names them: 16 digits of a SHA-256, lower case.
fn is_key_id(text: &str) -> bool {
    let is_digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    text.len() == 16 && text.bytes().all(is_digit)
}
