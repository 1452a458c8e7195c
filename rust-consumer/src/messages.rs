//! The bodies of Stile's messages, version 1, as in `contracts/src/stile_contracts/messages.py`.
//!
//! Readers ignore fields they do not know; writers write these and no others. The fixtures in
//! `contracts/fixtures/v1` hold this module and the Python one together (`tests/fixtures.rs`).

use std::ops::RangeInclusive;

use bytes::Bytes;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::error::{ErrorCode, InvalidMessage};
use crate::object::{self, Object};

/// A body that is read with every check that its schema asks for.
pub trait Message: Serialize + DeserializeOwned {
    /// Checks what the types do not say.
    ///
    /// # Errors
    /// [`InvalidMessage::Value`] names the field.
    fn check(&self) -> Result<(), InvalidMessage> {
        Ok(())
    }

    /// Reads a JSON body.
    ///
    /// # Errors
    /// [`InvalidMessage`] where it is not JSON, not of this shape, or holds a value out of range.
    fn read(body: &[u8]) -> Result<Self, InvalidMessage> {
        let Object(message) = serde_json::from_slice::<Object<Self>>(body)?;
        message.check()?;
        Ok(message)
    }

    /// Writes the JSON body.
    ///
    /// # Errors
    /// [`InvalidMessage::Json`]; the messages of this module have nothing in them that JSON lacks.
    fn write(&self) -> Result<Bytes, InvalidMessage> {
        Ok(serde_json::to_vec(self)?.into())
    }
}

/// Who speaks in a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs)]
pub enum Role {
    System,
    User,
    Assistant,
    Tool,
}

/// A function that the model calls.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FunctionCall {
    /// The function's name.
    pub name: String,
    /// JSON, as the model wrote it.
    pub arguments: String,
}

/// The one kind of tool there is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ToolType {
    /// A function.
    #[default]
    Function,
}

/// One call of a tool, as in `OpenAI`'s API.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToolCall {
    /// Names the call in the conversation.
    pub id: String,
    /// Always `function`.
    #[serde(default)]
    pub r#type: ToolType,
    /// What is called.
    #[serde(deserialize_with = "object::one")]
    pub function: FunctionCall,
}

impl ToolCall {
    /// Whether it can be told: another reader takes it.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        let is_id = |byte: u8| byte.is_ascii_alphanumeric() || b"_.:-".contains(&byte);
        (1..=200).contains(&self.id.len())
            && self.id.bytes().all(is_id)
            && (1..=200).contains(&self.function.name.chars().count())
    }
}

/// One message of a conversation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Turn {
    /// Who speaks.
    pub role: Role,
    /// What is said; absent only where the assistant calls tools.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content: Option<String>,
    /// The assistant's calls.
    #[serde(
        default,
        deserialize_with = "object::optional_list",
        skip_serializing_if = "Option::is_none"
    )]
    pub tool_calls: Option<Vec<ToolCall>>,
    /// Which call a `tool` message answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool_call_id: Option<String>,
}

impl Turn {
    fn check(&self) -> Result<(), InvalidMessage> {
        let calls = self.tool_calls.as_deref().unwrap_or_default();
        valid(
            "tool_calls",
            (calls.is_empty() || self.role == Role::Assistant)
                && calls.len() <= 128
                && calls.iter().all(ToolCall::is_whole),
        )?;
        let answers_call = self.tool_call_id.is_some();
        valid("tool_call_id", answers_call == (self.role == Role::Tool))?;
        valid("content", self.content.is_some() || !calls.is_empty())
    }
}

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
}

/// Why the filter refused, without the rule's words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// The kind of rule.
    pub category: String,
    /// `prompt`, `messages[3]`, `tools[0]`, `response_format` or `joined`.
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
    /// What it took.
    #[serde(
        default,
        deserialize_with = "object::optional",
        skip_serializing_if = "Option::is_none"
    )]
    pub usage: Option<Usage>,
    /// Why it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finish_reason: Option<FinishReason>,
    /// Set where `refused` is, and only there.
    #[serde(
        default,
        deserialize_with = "object::optional",
        skip_serializing_if = "Option::is_none"
    )]
    pub refusal: Option<Refusal>,
    /// The tools that the model calls.
    #[serde(
        default,
        deserialize_with = "object::optional_list",
        skip_serializing_if = "Option::is_none"
    )]
    pub tool_calls: Option<Vec<ToolCall>>,
    /// In `OpenAI`'s shape.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub logprobs: Option<Map<String, Value>>,
    /// How fast it was written.
    #[serde(
        default,
        deserialize_with = "object::optional",
        skip_serializing_if = "Option::is_none"
    )]
    pub timings: Option<Timings>,
}

impl Message for Reply {
    fn check(&self) -> Result<(), InvalidMessage> {
        let calls = self.tool_calls.as_deref().unwrap_or_default();
        valid("tool_calls", calls.iter().all(ToolCall::is_whole))?;
        if let Some(timings) = self.timings {
            within("timings", timings.prompt_per_second, 0.0..=f64::MAX)?;
            within("timings", timings.predicted_per_second, 0.0..=f64::MAX)?;
        }
        valid("refusal", self.refused == self.refusal.is_some())
    }
}

/// How far a request had come when its deadline passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Stage {
    /// It was being checked.
    Filter,
    /// It was approved, and no worker had taken it up.
    Waiting,
    /// The model was at it.
    Running,
}

/// One error, for people and for programs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ErrorBody {
    /// What went wrong; stable.
    pub code: ErrorCode,
    /// One sentence for people.
    pub message: String,
    /// Always `stile_error`; clients of `OpenAI` look at it.
    #[serde(default = "error_type")]
    pub r#type: String,
    /// The field or header at fault.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub param: Option<String>,
    /// The request's id, where it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<Uuid>,
    /// Whether the same request would meet it again.
    pub r#final: bool,
    /// Seconds after which a repeat may do better.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<f64>,
    /// Where a request was whose deadline passed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stage: Option<Stage>,
}

fn error_type() -> String {
    "stile_error".to_owned()
}

/// The one shape of every error; the body of `error`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ErrorReply {
    /// What went wrong.
    #[serde(deserialize_with = "object::one")]
    pub error: ErrorBody,
}

impl ErrorReply {
    /// The error `code` of the request `id`, with its table's finality.
    #[must_use]
    pub fn of(code: ErrorCode, message: String, id: Uuid) -> Self {
        Self {
            error: ErrorBody {
                code,
                message,
                r#type: error_type(),
                param: None,
                id: Some(id),
                r#final: code.is_final(),
                retry_after: None,
                stage: None,
            },
        }
    }

    /// The same, of a request that had come to `stage`.
    #[must_use]
    pub fn at(mut self, stage: Option<Stage>) -> Self {
        self.error.stage = stage;
        self
    }
}

impl Message for ErrorReply {
    fn check(&self) -> Result<(), InvalidMessage> {
        within("retry_after", self.error.retry_after, 0.0..=f64::MAX)
    }
}

/// The request is stored in CHAT. The filter says so; this side only reads it in tests.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Accepted {
    /// The request's id.
    pub id: Uuid,
    /// How many requests are answered before it, the running ones among them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub position: Option<u64>,
    /// In how many seconds it will be begun.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub estimate_seconds: Option<f64>,
}

impl Message for Accepted {
    fn check(&self) -> Result<(), InvalidMessage> {
        within("estimate_seconds", self.estimate_seconds, 0.0..=f64::MAX)
    }
}

/// A worker has taken the request up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Started {
    /// The request's id.
    pub id: Uuid,
    /// The model's short name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
}

impl Message for Started {}

/// A piece of the answer.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Token {
    /// The piece; empty where it is of calls alone.
    pub text: String,
    /// Deltas of calls, in `OpenAI`'s shape.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool_calls: Option<Vec<Map<String, Value>>>,
    /// Those of this piece, in `OpenAI`'s shape.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub logprobs: Option<Map<String, Value>>,
}

impl Message for Token {}

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
    /// In how many seconds a new client's request would be begun.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub estimate_seconds: Option<f64>,
}

/// All lanes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct QueueState {
    /// People wait for the answer.
    #[serde(deserialize_with = "object::one")]
    pub interactive: LaneState,
    /// Nobody does.
    #[serde(deserialize_with = "object::one")]
    pub batch: LaneState,
    /// Requests that a worker has taken up.
    pub running: u64,
}

/// What a filter or a consumer says of itself every two seconds.
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
    /// The filter's: the queue as it sees it.
    #[serde(
        default,
        deserialize_with = "object::optional",
        skip_serializing_if = "Option::is_none"
    )]
    pub queue: Option<QueueState>,
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

fn within<T: PartialOrd>(
    field: &'static str,
    value: Option<T>,
    range: RangeInclusive<T>,
) -> Result<(), InvalidMessage> {
    valid(field, value.is_none_or(|value| range.contains(&value)))
}

fn valid(field: &'static str, holds: bool) -> Result<(), InvalidMessage> {
    if holds {
        Ok(())
    } else {
        Err(InvalidMessage::Value(field))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An array of a struct's values is not the struct, at any depth.
    #[test]
    fn arrays_are_not_objects() {
        for body in [
            r#"[[{"role": "user", "content": "x"}]]"#,
            r#"{"messages": [["user", "x"]]}"#,
            r#"{"messages": [{"role": "user", "content": "x"}], "sampling": []}"#,
        ] {
            assert!(ApprovedChat::read(body.as_bytes()).is_err(), "{body}");
        }
        let reply =
            r#"{"response": "", "id": "00000000-0000-0000-0000-000000000000", "usage": [1, 2, 3]}"#;
        assert!(Reply::read(reply.as_bytes()).is_err());
        assert!(ErrorReply::read(br#"{"error": ["internal", "x"]}"#).is_err());
    }

    /// Each limit of the schema is one here: the value at it is taken, the one past it is not.
    #[test]
    fn sampling_is_held_to_its_limits() {
        for (field, taken, refused) in [
            ("temperature", "5", "5.1"),
            ("top_k", "1000000", "1000001"),
            ("top_p", "1", "1.1"),
            ("min_p", "0", "-0.1"),
            ("typical_p", "1.0", "1.1"),
            ("repeat_penalty", "10", "11"),
            ("repeat_last_n", "-1", "-2"),
            ("presence_penalty", "-2", "-2.1"),
            ("frequency_penalty", "2", "2.1"),
            ("seed", "4294967295", "4294967296"),
            ("max_tokens", "1", "0"),
            ("stop", r#"["x"]"#, r#"[""]"#),
            ("top_k", "null", "1.5"),
        ] {
            let read = |value: &str| {
                let body = format!(
                    r#"{{"messages": [{{"role": "user", "content": "x"}}], "sampling": {{"{field}": {value}}}}}"#
                );
                ApprovedChat::read(body.as_bytes())
            };
            assert!(read(taken).is_ok(), "{field} {taken}");
            assert!(read(refused).is_err(), "{field} {refused}");
        }
    }
}
