//! The one shape of every error.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Message, within};
use crate::error::{Context, ErrorCode, InvalidMessage};

/// How far a request had come when its deadline passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Stage {
    /// It was being checked.
    Filter,
    /// It was approved, and no worker had taken it up.
    Waiting,
    /// The model was answering it.
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
    /// The request's id, if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<Uuid>,
    /// Whether the same request would end in it again.
    pub r#final: bool,
    /// Seconds after which a repeat may do better.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<f64>,
    /// How far a request had come when its deadline passed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stage: Option<Stage>,
    /// If the conversation was too long: how many tokens the model can read and write.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub n_ctx: Option<u64>,
    /// If the conversation was too long: how many tokens it has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub n_prompt_tokens: Option<u64>,
}

fn error_type() -> String {
    "stile_error".to_owned()
}

/// The one shape of every error; the body of `error`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ErrorReply {
    /// What went wrong.
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
                n_ctx: None,
                n_prompt_tokens: None,
            },
        }
    }

    /// The same, of a request that had come to `stage`.
    #[must_use]
    pub fn at(mut self, stage: Option<Stage>) -> Self {
        self.error.stage = stage;
        self
    }

    /// The same, of a conversation that is too long.
    #[must_use]
    pub fn over(mut self, context: Option<Context>) -> Self {
        self.error.n_ctx = context.map(|context| context.size);
        self.error.n_prompt_tokens = context.map(|context| context.prompt);
        self
    }

    /// The same, of a field.
    #[must_use]
    pub fn about(mut self, param: Option<String>) -> Self {
        self.error.param = param;
        self
    }
}

impl Message for ErrorReply {
    fn check(&self) -> Result<(), InvalidMessage> {
        within("retry_after", self.error.retry_after, 0.0..=f64::MAX)
    }
}
