//! One message of a conversation, and the calls of tools in it.

use serde::{Deserialize, Serialize};

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
