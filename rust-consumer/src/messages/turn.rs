//! One message of a conversation, and the calls of tools in it.

use serde::{Deserialize, Serialize};

use super::valid;
use crate::error::InvalidMessage;
use crate::object;

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
    #[serde(deserialize_with = "object::one")]
    pub function: FunctionCall,
}

impl ToolCall {
    /// Whether it can be told: another reader takes it.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.id.chars().count() <= MAX_ID_CHARS
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
    pub(super) fn check(&self) -> Result<(), InvalidMessage> {
        let calls = self.tool_calls.as_deref().unwrap_or_default();
        valid(
            "tool_calls",
            (calls.is_empty() || self.role == Role::Assistant)
                && calls.len() <= 128
                && calls.iter().all(ToolCall::is_whole),
        )?;
        let answers_call = self.tool_call_id.is_some();
        let id = self.tool_call_id.as_deref().unwrap_or_default();
        valid(
            "tool_call_id",
            answers_call == (self.role == Role::Tool) && id.chars().count() <= MAX_ID_CHARS,
        )?;
        valid("content", self.content.is_some() || !calls.is_empty())
    }
}
