//! The replies to a requester: events, and the final answer.

use std::num::NonZeroU32;

use serde::{Deserialize, Serialize};
use serde_json::map::Entry;
use serde_json::{Map, Value};
use uuid::Uuid;

use super::{Message, ToolCall, valid, within};
use crate::error::InvalidMessage;

/// Counts of tokens, as llama.cpp reports them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct Usage {
    pub prompt_tokens: u64,
    pub completion_tokens: u64,
    pub total_tokens: u64,
}

/// How fast the model was, as llama.cpp reports it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Timings {
    /// Tokens of the prompt a second.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prompt_per_second: Option<f64>,
    /// Tokens of the answer a second.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub predicted_per_second: Option<f64>,
    /// Milliseconds in which the prompt was read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prompt_ms: Option<f64>,
    /// Milliseconds in which the answer was written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub predicted_ms: Option<f64>,
}

/// Why the filter refused, without the rule's words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// The kind of rule.
    pub category: String,
    /// `prompt`, `messages[3]`, `tools[0]`, `response_format`, `joined` or `answer`.
    pub place: String,
}

/// Why an answer ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FinishReason {
    /// The model came to its end, or to a `stop` text.
    Stop,
    /// `max_tokens` or the context's size was reached.
    Length,
    /// The filter refused.
    ContentFilter,
    /// The model calls tools.
    ToolCalls,
}

impl FinishReason {
    /// The reason as it is written in a message.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Stop => "stop",
            Self::Length => "length",
            Self::ContentFilter => "content_filter",
            Self::ToolCalls => "tool_calls",
        }
    }
}

/// The final answer, or the refusal in its place; the body of `done` and of `CHAT_RESULT`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Reply {
    /// The text.
    pub response: String,
    /// The request's id.
    pub id: Uuid,
    /// Whether the filter refused.
    #[serde(default)]
    pub refused: bool,
    /// The model's short name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Counts of tokens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usage: Option<Usage>,
    /// Why it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finish_reason: Option<FinishReason>,
    /// Set if `refused` is, and only then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refusal: Option<Refusal>,
    /// The tools that the model calls.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool_calls: Option<Vec<ToolCall>>,
    /// In `OpenAI`'s shape.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub logprobs: Option<Map<String, Value>>,
    /// How fast it was written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timings: Option<Timings>,
    /// What a thinking model thought before it answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reasoning_content: Option<String>,
    /// How many of the oldest exchanges the model was not given; absent if it was given all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trimmed: Option<NonZeroU32>,
}

impl Message for Reply {
    fn check(&self) -> Result<(), InvalidMessage> {
        let calls = self.tool_calls.as_deref().unwrap_or_default();
        valid("tool_calls", calls.iter().all(ToolCall::is_whole))?;
        if let Some(timings) = self.timings {
            within("timings", timings.prompt_per_second, 0.0..=f64::MAX)?;
            within("timings", timings.predicted_per_second, 0.0..=f64::MAX)?;
            within("timings", timings.prompt_ms, 0.0..=f64::MAX)?;
            within("timings", timings.predicted_ms, 0.0..=f64::MAX)?;
        }
        valid("refusal", self.refused == self.refusal.is_some())
    }
}

/// The request is stored in CHAT. The filter sends this; here it is read in tests alone.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AcceptedEvent {
    /// The request's id.
    pub id: Uuid,
    /// How many requests are answered before it, the running ones among them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub position: Option<u64>,
    /// In how many seconds it will start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub estimate_seconds: Option<f64>,
}

impl Message for AcceptedEvent {
    fn check(&self) -> Result<(), InvalidMessage> {
        within("estimate_seconds", self.estimate_seconds, 0.0..=f64::MAX)
    }
}

/// A worker has taken the request up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StartedEvent {
    /// The request's id.
    pub id: Uuid,
    /// The model's short name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
}

impl Message for StartedEvent {}

/// A piece of the answer.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct TokenEvent {
    /// The text; empty if the piece consists of calls alone.
    pub text: String,
    /// Deltas of calls, in `OpenAI`'s shape.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool_calls: Option<Vec<Map<String, Value>>>,
    /// Those of this piece, in `OpenAI`'s shape.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub logprobs: Option<Map<String, Value>>,
    /// A piece of what the model thinks before it answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reasoning_content: Option<String>,
}

impl TokenEvent {
    /// Adds the `piece` that follows: readers of the two and of the one come to the same answer.
    pub fn join(&mut self, piece: Self) {
        self.text.push_str(&piece.text);
        if let Some(more) = piece.reasoning_content {
            let reasoning = self.reasoning_content.get_or_insert_default();
            reasoning.push_str(&more);
        }
        for delta in piece.tool_calls.into_iter().flatten() {
            join_call(self.tool_calls.get_or_insert_default(), delta);
        }
        for (name, value) in piece.logprobs.into_iter().flatten() {
            match self.logprobs.get_or_insert_default().entry(name) {
                Entry::Vacant(entry) => drop(entry.insert(value)),
                Entry::Occupied(mut entry) => match (entry.get_mut(), value) {
                    (_, Value::Null) => {}
                    (Value::Array(tokens), Value::Array(more)) => tokens.extend(more),
                    (known, other) => *known = other,
                },
            }
        }
    }
}

/// A delta that only continues the last one's arguments becomes part of it: some clients take two
/// deltas of one call in one message for two calls.
fn join_call(calls: &mut Vec<Map<String, Value>>, delta: Map<String, Value>) {
    if let Some(more) = arguments_alone(&delta)
        && let Some(last) = calls.last_mut()
        && last.get("index") == delta.get("index")
        && let Some(Value::String(arguments)) = last
            .get_mut("function")
            .and_then(|function| function.get_mut("arguments"))
    {
        arguments.push_str(more);
        return;
    }
    calls.push(delta);
}

/// The arguments of a delta that has nothing else but its index.
fn arguments_alone(delta: &Map<String, Value>) -> Option<&str> {
    let function = delta.get("function")?.as_object()?;
    let alone = delta.len() == 2 && delta.contains_key("index") && function.len() == 1;
    alone.then(|| function.get("arguments")?.as_str()).flatten()
}

impl Message for TokenEvent {}
