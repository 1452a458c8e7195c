//! The log of what happened: one record for each request that has ended.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Message, Part, valid, within};
use crate::contract::address::Lane;
use crate::contract::subjects::{MAX_TOKEN_LENGTH, is_token};
use crate::error::InvalidMessage;

/// The facts about one request that has ended. It contains no text of the request or the answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LogRecord {
    /// The request's id.
    pub id: Uuid,
    /// When it ended: milliseconds since the Unix epoch, by the writer's clock.
    pub at_ms: u64,
    /// Whose request it was.
    pub client: String,
    /// The lane in which it waited.
    pub lane: Lane,
    /// The model that answered, or that it named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// `answered`, `refused`, `cancelled`, or the code of another error.
    pub outcome: String,
    /// Of a refusal: the location of the refused text; `answer` if it was the model's answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<String>,
    /// The policy's rule that refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// Of a keyword: in which way of reading the text it was found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub view: Option<String>,
    /// Seconds from the acceptance to the last start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wait_seconds: Option<f64>,
    /// Seconds from the last start to the end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer_seconds: Option<f64>,
    /// As llama.cpp counts them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prompt_tokens: Option<u64>,
    /// As llama.cpp counts them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer_tokens: Option<u64>,
    /// How often a worker had taken it.
    pub attempt: u64,
    /// Who wrote the record.
    pub part: Part,
}

impl Message for LogRecord {
    fn check(&self) -> Result<(), InvalidMessage> {
        let is_client = self.client.len() <= MAX_TOKEN_LENGTH && is_token(&self.client);
        valid("client", is_client)?;
        valid("outcome", is_outcome(&self.outcome))?;
        within("wait_seconds", self.wait_seconds, 0.0..=f64::MAX)?;
        within("answer_seconds", self.answer_seconds, 0.0..=f64::MAX)
    }
}

/// As an error's code is written: lower-case letters and `_`, at most 64.
fn is_outcome(text: &str) -> bool {
    let is_letter = |byte: u8| byte.is_ascii_lowercase() || byte == b'_';
    !text.is_empty() && text.len() <= 64 && text.bytes().all(is_letter)
}
