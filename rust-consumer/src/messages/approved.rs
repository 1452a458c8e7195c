//! What the filter approved: the conversation, and how it is to be answered.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{Message, Turn, valid, within};
use crate::error::InvalidMessage;
use crate::object;

/// llama.cpp's usual sampling parameters, by its names; one that is absent is the server's default.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[allow(missing_docs)]
pub struct Sampling {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub temperature: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub top_k: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub top_p: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_p: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub typical_p: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repeat_penalty: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repeat_last_n: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub presence_penalty: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub frequency_penalty: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seed: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_tokens: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stop: Option<Vec<String>>,
}

impl Sampling {
    fn check(&self) -> Result<(), InvalidMessage> {
        within("temperature", self.temperature, 0.0..=5.0)?;
        within("top_k", self.top_k, 0..=1_000_000)?;
        within("top_p", self.top_p, 0.0..=1.0)?;
        within("min_p", self.min_p, 0.0..=1.0)?;
        within("typical_p", self.typical_p, 0.0..=1.0)?;
        within("repeat_penalty", self.repeat_penalty, 0.0..=10.0)?;
        within("repeat_last_n", self.repeat_last_n, -1..=1_000_000)?;
        within("presence_penalty", self.presence_penalty, -2.0..=2.0)?;
        within("frequency_penalty", self.frequency_penalty, -2.0..=2.0)?;
        within("max_tokens", self.max_tokens, 1..=1_000_000)?;
        let stop = self.stop.as_deref().unwrap_or_default();
        let stop_fits = stop.len() <= 16
            && stop
                .iter()
                .all(|text| (1..=200).contains(&text.chars().count()));
        valid("stop", stop_fits)
    }
}

/// What the answer is to be beside plain text. The filter has read and checked it; here it is handed on to
/// llama.cpp as it is, its schemas' order included.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[allow(missing_docs)]
pub struct Output {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tools: Option<Vec<Map<String, Value>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tool_choice: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parallel_tool_calls: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub response_format: Option<Map<String, Value>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub logprobs: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub top_logprobs: Option<u8>,
}

/// What the filter approved: the whole conversation that the model will see.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ApprovedChat {
    /// Oldest first, the policy's system prompt before all.
    #[serde(deserialize_with = "object::list")]
    pub messages: Vec<Turn>,
    /// How the answer is to be drawn.
    #[serde(default, deserialize_with = "object::one")]
    pub sampling: Sampling,
    /// What the answer is to be.
    #[serde(default, deserialize_with = "object::one")]
    pub output: Output,
    /// The model that was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
}

impl Message for ApprovedChat {
    fn check(&self) -> Result<(), InvalidMessage> {
        valid("messages", !self.messages.is_empty())?;
        self.messages.iter().try_for_each(Turn::check)?;
        self.sampling.check()
    }
}
