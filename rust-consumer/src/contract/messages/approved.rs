//! What the filter approved: the conversation, and how it is to be answered.

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};

use super::{Message, valid};
use crate::error::InvalidMessage;

/// Of the id of a call of a tool, which may be any text.
const MAX_ID_CHARS: usize = 1024;

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
    pub function: FunctionCall,
}

impl ToolCall {
    /// Whether other readers of the contract accept it.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.id.chars().count() <= MAX_ID_CHARS
            && (1..=200).contains(&self.function.name.chars().count())
    }
}

/// One message of a conversation: the fields that reach the model. Each of them is text that the
/// search for control tokens reads (`llama::control_tokens`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChatMessage {
    /// Who speaks.
    pub role: Role,
    /// The text; absent only if the assistant calls tools.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content: Option<String>,
    /// The assistant's calls.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool_calls: Option<Vec<ToolCall>>,
    /// Which call a `tool` message answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool_call_id: Option<String>,
}

/// What the filter approved: the whole conversation that the model will see.
///
/// The filter has checked every value. Here the messages are read, as their texts are looked at
/// again; the rest is handed on as it is (docs/adr/0026).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ApprovedChat {
    /// Oldest first, the policy's system prompt before all.
    pub messages: Vec<ChatMessage>,
    /// How the answer is drawn: parameters by llama.cpp's names.
    #[serde(default)]
    pub sampling: Map<String, Value>,
    /// What the answer is beside plain text: tools, a format, logprobs. The order of a schema is
    /// kept.
    #[serde(default)]
    pub output: Map<String, Value>,
    /// The model that the request names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// The index of each exchange's first message, if the oldest exchanges may be left out so that
    /// the model can read the rest; else none.
    #[serde(
        default,
        skip_serializing_if = "Vec::is_empty",
        deserialize_with = "listed"
    )]
    pub exchanges: Vec<usize>,
    /// Whether a filter must check the answer before any of it is sent or stored.
    #[serde(default)]
    pub check_answer: bool,
    /// The client's text for a refused answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refusal_message: Option<String>,
}

impl Message for ApprovedChat {
    fn check(&self) -> Result<(), InvalidMessage> {
        valid("messages", !self.messages.is_empty())?;
        let is_in_order = self.exchanges.is_sorted_by(|one, next| one < next);
        let is_within = self.exchanges.last() < Some(&self.messages.len());
        valid("exchanges", is_in_order && is_within)
    }
}

/// `null` is as if it were not there.
fn listed<'de, D: Deserializer<'de>>(reader: D) -> Result<Vec<usize>, D::Error> {
    Ok(Option::deserialize(reader)?.unwrap_or_default())
}
