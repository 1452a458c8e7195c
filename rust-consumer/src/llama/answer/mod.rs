//! llama.cpp's answer, put together from the events of its stream, and its error answers. Pure: no
//! network, no clock.
//!
//! The format is `OpenAI`'s chat completions as llama.cpp's server extends it
//! (<https://github.com/ggml-org/llama.cpp/blob/master/tools/server/README.md>).

mod fields;

#[cfg(test)]
mod tests;

use serde::Deserialize;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::contract::messages::{FinishReason, Reply, Timings, TokenEvent, ToolCall, Usage};
use crate::error::{Context, ModelError};
use fields::{CallDelta, FunctionDelta};

/// An answer of more bytes than this is given up: it would not fit the bus (`max_payload` 4 MB).
const MAX_ANSWER_BYTES: usize = 2 << 20;
/// A reason is a sentence; what follows quotes the request at length.
const MAX_REASON_CHARS: usize = 300;

/// An answer while it is being written.
#[derive(Debug, Default)]
pub struct Answer {
    id: Uuid,
    text: String,
    reasoning: String,
    calls: Vec<ToolCall>,
    logprobs: Vec<Value>,
    /// Bytes of all that is kept, about.
    size: usize,
    model: Option<String>,
    usage: Option<Usage>,
    timings: Option<Timings>,
    finish_reason: Option<FinishReason>,
    finished: bool,
    complete: bool,
}

impl Answer {
    /// Nothing of the answer to the request `id` is there.
    #[must_use]
    pub fn new(id: Uuid) -> Self {
        Self {
            id,
            ..Self::default()
        }
    }

    /// Takes up one event's data; returns the piece that it adds to the answer, if any.
    ///
    /// # Errors
    /// [`ModelError`]: the event is an error, cannot be read, or makes the answer too long.
    pub fn push(&mut self, data: &[u8]) -> Result<Option<TokenEvent>, ModelError> {
        if data == b"[DONE]" {
            self.complete = true;
            return Ok(None);
        }
        let chunk: Chunk = serde_json::from_slice(data)
            .map_err(|_| ModelError::Failed("its stream cannot be read"))?;
        if let Some(error) = chunk.error {
            return Err(if error.is_about_context() {
                ModelError::ContextExceeded(error.context())
            } else {
                ModelError::Failed("it broke off with an error")
            });
        }
        if self.model.is_none() {
            self.model = chunk
                .model
                .map(|model| short_name(&model).to_owned())
                .filter(|name| !name.is_empty());
        }
        self.usage = chunk.usage.or(self.usage);
        self.timings = chunk.timings.or(self.timings);
        let Some(choice) = chunk.choices.into_iter().next() else {
            return Ok(None);
        };
        if let Some(reason) = choice.finish_reason {
            self.finished = true;
            self.finish_reason = match reason.as_str() {
                "stop" => Some(FinishReason::Stop),
                "length" => Some(FinishReason::Length),
                "tool_calls" => Some(FinishReason::ToolCalls),
                _ => None,
            };
        }
        let mut calls = Vec::new();
        for delta in choice.delta.tool_calls.iter().flatten() {
            calls.extend(self.keep_call(delta)?);
        }
        let piece = TokenEvent {
            text: choice.delta.content.unwrap_or_default(),
            tool_calls: (!calls.is_empty()).then_some(calls),
            logprobs: choice.logprobs.and_then(fields::logprobs),
            reasoning_content: choice
                .delta
                .reasoning_content
                .filter(|text| !text.is_empty()),
        };
        if piece == TokenEvent::default() {
            return Ok(None);
        }
        self.keep(&piece, data.len())?;
        Ok(Some(piece))
    }

    /// Adds a piece that came in an event of `bytes`.
    fn keep(&mut self, piece: &TokenEvent, bytes: usize) -> Result<(), ModelError> {
        let is_text = piece.tool_calls.is_none() && piece.logprobs.is_none();
        let reasoning = piece.reasoning_content.as_deref().unwrap_or_default();
        let text = piece.text.len() + reasoning.len();
        self.size += if is_text { text } else { bytes };
        if self.size > MAX_ANSWER_BYTES {
            return Err(ModelError::Failed("its answer has no end"));
        }
        self.text.push_str(&piece.text);
        self.reasoning.push_str(reasoning);
        if let Some(Value::Array(tokens)) = piece
            .logprobs
            .as_ref()
            .and_then(|logprobs| logprobs.get("content"))
        {
            self.logprobs.extend_from_slice(tokens);
        }
        Ok(())
    }

    /// Adds a delta to its call; returns what is passed on of it, if anything.
    ///
    /// The id is made from the request's, so that a second attempt makes the same. Some models
    /// write ids, and no rule reads them.
    fn keep_call(
        &mut self,
        delta: &Map<String, Value>,
    ) -> Result<Option<Map<String, Value>>, ModelError> {
        let unreadable = || ModelError::Failed("its call of a tool cannot be read");
        let CallDelta { index, function } =
            CallDelta::deserialize(delta).map_err(|_| unreadable())?;
        let begins = index == self.calls.len();
        if begins {
            let id = call_id(self.id, index);
            self.calls.push(ToolCall {
                id,
                ..ToolCall::default()
            });
        }
        let call = self.calls.get_mut(index).ok_or_else(unreadable)?;
        // llama.cpp repeats the name if the model writes its id behind it.
        let name = function.name.filter(|name| *name != call.function.name);
        let name = name.filter(|name| !name.is_empty());
        if let Some(name) = &name {
            if !call.function.name.is_empty() {
                return Err(unreadable());
            }
            call.function.name.clone_from(name);
        }
        let arguments = function.arguments;
        call.function
            .arguments
            .push_str(arguments.as_deref().unwrap_or_default());
        let is_known = !begins && name.is_none() && arguments.is_none();
        let id = begins.then_some(call.id.as_str());
        Ok((!is_known).then(|| fields::call_delta(index, id, FunctionDelta { name, arguments })))
    }

    /// Whether the model has come to its end; the counts may still follow.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.finished
    }

    /// Whether nothing follows in the stream.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.complete
    }

    /// The model's short name, if llama.cpp has sent it.
    #[must_use]
    pub fn model(&self) -> Option<&str> {
        self.model.as_deref()
    }

    /// Tokens of the answer, if llama.cpp has sent its counts.
    #[must_use]
    pub fn completion_tokens(&self) -> Option<u64> {
        self.usage.map(|usage| usage.completion_tokens)
    }

    /// Makes the reply of the whole answer.
    ///
    /// # Errors
    /// [`ModelError::Failed`]: the stream ended before the model did.
    pub fn into_reply(self, id: Uuid) -> Result<Reply, ModelError> {
        if !self.finished {
            return Err(ModelError::Failed("its stream broke off"));
        }
        if !self.calls.iter().all(ToolCall::is_whole) {
            return Err(ModelError::Failed("its call of a tool has no name"));
        }
        let has_logprobs = !self.logprobs.is_empty();
        let logprobs = || Map::from_iter([("content".to_owned(), Value::Array(self.logprobs))]);
        Ok(Reply {
            response: self.text,
            id,
            refused: false,
            model: self.model,
            usage: self.usage,
            finish_reason: self.finish_reason,
            refusal: None,
            tool_calls: (!self.calls.is_empty()).then_some(self.calls),
            logprobs: has_logprobs.then(logprobs),
            timings: self.timings,
            reasoning_content: (!self.reasoning.is_empty()).then_some(self.reasoning),
            trimmed: None,
        })
    }
}

#[derive(Deserialize)]
struct Chunk {
    #[serde(default)]
    choices: Vec<Choice>,
    model: Option<String>,
    usage: Option<Usage>,
    timings: Option<Timings>,
    error: Option<ApiError>,
}

#[derive(Deserialize)]
struct Choice {
    #[serde(default)]
    delta: Delta,
    logprobs: Option<Map<String, Value>>,
    finish_reason: Option<String>,
}

#[derive(Default, Deserialize)]
struct Delta {
    content: Option<String>,
    reasoning_content: Option<String>,
    tool_calls: Option<Vec<Map<String, Value>>>,
}

#[derive(Deserialize)]
struct ErrorAnswer {
    error: ApiError,
}

#[derive(Deserialize)]
struct ApiError {
    r#type: Option<String>,
    message: Option<String>,
    n_ctx: Option<u64>,
    n_prompt_tokens: Option<u64>,
}

impl ApiError {
    fn context(&self) -> Option<Context> {
        let (size, prompt) = self.n_ctx.zip(self.n_prompt_tokens)?;
        Some(Context { size, prompt })
    }

    fn is_about_context(&self) -> bool {
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

fn call_id(request: Uuid, index: usize) -> String {
    let digest = Sha256::digest(format!("{request} {index}"));
    let number = u128::from_be_bytes(*digest.first_chunk().unwrap_or(&[0; 16]));
    format!("call_{number:032x}")
}

/// What an answer with an HTTP error status means.
#[must_use]
pub fn error_answer(status: u16, body: &[u8]) -> ModelError {
    let error = serde_json::from_slice::<ErrorAnswer>(body).ok();
    let error = error.map(|answer| answer.error);
    if let Some(error) = error.as_ref().filter(|error| error.is_about_context()) {
        return ModelError::ContextExceeded(error.context());
    }
    match status {
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
