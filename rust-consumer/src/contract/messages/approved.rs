//! What the filter approved: the conversation, and how it is to be answered.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{ChatMessage, Message, valid};
use crate::error::InvalidMessage;

/// What the filter approved: the whole conversation that the model will see.
///
/// The filter has checked every value. Here the messages are read, as their texts are looked at
/// again; the rest is handed on as it is (docs/adr/0029).
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
}

impl Message for ApprovedChat {
    fn check(&self) -> Result<(), InvalidMessage> {
        valid("messages", !self.messages.is_empty())
    }
}
