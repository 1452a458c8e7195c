//! One event of llama.cpp's stream, and its error answers.

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::contract::messages::{Timings, Usage};
use crate::error::ModelError;

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

/// A reason is a sentence; what follows quotes the request at length.
const MAX_REASON_CHARS: usize = 300;

#[derive(Deserialize)]
struct ErrorAnswer {
    error: ApiError,
}

#[derive(Deserialize)]
pub(super) struct ApiError {
    r#type: Option<String>,
    message: Option<String>,
}

impl ApiError {
    pub(super) fn is_about_context(&self) -> bool {
        self.r#type.as_deref() == Some("exceed_context_size_error")
    }

    /// What llama.cpp finds wrong with the request, on one line.
    fn fault(self) -> Option<String> {
        let is_the_requests = self.r#type.as_deref() == Some("invalid_request_error");
        let message = self.message.filter(|_| is_the_requests)?;
        let line = message
            .chars()
            .map(|c| if c.is_control() { ' ' } else { c });
        Some(line.take(MAX_REASON_CHARS).collect())
    }
}

/// What an answer with an HTTP error status means.
#[must_use]
pub fn error_answer(status: u16, body: &[u8]) -> ModelError {
    let error = serde_json::from_slice::<ErrorAnswer>(body).ok();
    let error = error.map(|answer| answer.error);
    match status {
        _ if error.as_ref().is_some_and(ApiError::is_about_context) => ModelError::ContextExceeded,
        401 => ModelError::WrongKey,
        503 => ModelError::NotThere("it is loading"),
        400..=499 => error
            .filter(|_| status == 400)
            .and_then(ApiError::fault)
            .map_or(
                ModelError::Failed("it refused the request"),
                ModelError::Refused,
            ),
        _ => ModelError::Failed("it answered with an error"),
    }
}

/// The last part of a model's name: llama.cpp names a model by its path on the server's disk.
#[must_use]
pub fn short_name(model: &str) -> &str {
    model.rsplit(['/', '\\']).next().unwrap_or(model)
}
