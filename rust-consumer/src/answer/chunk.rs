//! One event of llama.cpp's stream, and what it says where it does not answer.

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::error::ModelError;
use crate::messages::{Timings, Usage};

#[derive(Deserialize)]
pub(super) struct Chunk {
    #[serde(default)]
    pub(super) choices: Vec<Choice>,
    pub(super) model: Option<String>,
    pub(super) usage: Option<Usage>,
    pub(super) timings: Option<Timings>,
    pub(super) error: Option<ApiError>,
}

#[derive(Deserialize)]
pub(super) struct Choice {
    #[serde(default)]
    pub(super) delta: Delta,
    pub(super) logprobs: Option<Map<String, Value>>,
    pub(super) finish_reason: Option<String>,
}

/// `reasoning_content` is not read: it is no part of the answer.
#[derive(Default, Deserialize)]
pub(super) struct Delta {
    pub(super) content: Option<String>,
    pub(super) tool_calls: Option<Vec<Map<String, Value>>>,
}

/// What a delta of a call adds to it; the first one of a call names it.
#[derive(Default, Deserialize)]
pub(super) struct CallDelta {
    #[serde(default)]
    pub(super) index: usize,
    pub(super) id: Option<String>,
    #[serde(default)]
    pub(super) function: FunctionDelta,
}

#[derive(Default, Deserialize)]
pub(super) struct FunctionDelta {
    pub(super) name: Option<String>,
    pub(super) arguments: Option<String>,
}

#[derive(Deserialize)]
struct ErrorAnswer {
    error: ApiError,
}

#[derive(Deserialize)]
pub(super) struct ApiError {
    r#type: Option<String>,
}

impl ApiError {
    pub(super) fn is_about_context(&self) -> bool {
        self.r#type.as_deref() == Some("exceed_context_size_error")
    }
}

/// Tells what an answer with an HTTP error status means.
#[must_use]
pub fn error_answer(status: u16, body: &[u8]) -> ModelError {
    let about_context = serde_json::from_slice::<ErrorAnswer>(body)
        .is_ok_and(|answer| answer.error.is_about_context());
    match status {
        _ if about_context => ModelError::ContextExceeded,
        503 => ModelError::NotThere("it is loading"),
        400..=499 => ModelError::Failed("it refused the request"),
        _ => ModelError::Failed("it answered with an error"),
    }
}

/// The last part of a model's name: llama.cpp names a model by its path on the server's disk.
#[must_use]
pub fn short_name(model: &str) -> &str {
    model.rsplit(['/', '\\']).next().unwrap_or(model)
}
