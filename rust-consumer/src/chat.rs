//! What is said to llama.cpp and how its answer is put together. Pure: no network, no clock.
//!
//! The format is `OpenAI`'s chat completions as llama.cpp's server extends it
//! (<https://github.com/ggml-org/llama.cpp/blob/master/tools/server/README.md>).

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::error::{InvalidMessage, ModelError};
use crate::messages::{
    ApprovedChat, FinishReason, Output, Reply, Sampling, Timings, Token, ToolCall, Turn, Usage,
};

/// An answer of more bytes than this is given up: it would not fit the bus (`max_payload` 4 MB).
const MAX_ANSWER_BYTES: usize = 2 << 20;

#[derive(Serialize)]
struct CompletionRequest<'a> {
    messages: &'a [Turn],
    #[serde(skip_serializing_if = "Option::is_none")]
    model: Option<&'a str>,
    #[serde(flatten)]
    sampling: &'a Sampling,
    #[serde(flatten)]
    output: &'a Output,
    stream: bool,
    stream_options: StreamOptions,
}

#[derive(Serialize)]
struct StreamOptions {
    include_usage: bool,
}

/// Writes the body of `POST /v1/chat/completions` for `chat`.
///
/// # Errors
/// [`InvalidMessage::Json`], which nothing in an [`ApprovedChat`] can cause.
pub fn completion_request(chat: &ApprovedChat, id: Uuid) -> Result<Bytes, InvalidMessage> {
    let sampling = Sampling {
        seed: Some(chat.sampling.seed.unwrap_or_else(|| seed_of(id))),
        ..chat.sampling.clone()
    };
    let request = CompletionRequest {
        messages: &chat.messages,
        model: chat.model.as_deref(),
        sampling: &sampling,
        output: &chat.output,
        stream: true,
        stream_options: StreamOptions {
            include_usage: true,
        },
    };
    Ok(serde_json::to_vec(&request)?.into())
}

/// The seed of a request that names none: the first 32 bits of the id's SHA-256, big-endian, so that a
/// second attempt draws the same words (DESIGN, decision 4).
#[must_use]
pub fn seed_of(id: Uuid) -> u32 {
    let [a, b, c, d, ..] = <[u8; 32]>::from(Sha256::digest(id.to_string()));
    u32::from_be_bytes([a, b, c, d])
}

/// The last part of a model's name: llama.cpp names a model by its path on the server's disk.
#[must_use]
pub fn short_name(model: &str) -> &str {
    model.rsplit(['/', '\\']).next().unwrap_or(model)
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

/// `reasoning_content` is not read: it is no part of the answer.
#[derive(Default, Deserialize)]
struct Delta {
    content: Option<String>,
    tool_calls: Option<Vec<Map<String, Value>>>,
}

/// What a delta of a call adds to it; the first one of a call names it.
#[derive(Default, Deserialize)]
struct CallDelta {
    #[serde(default)]
    index: usize,
    id: Option<String>,
    #[serde(default)]
    function: FunctionDelta,
}

#[derive(Default, Deserialize)]
struct FunctionDelta {
    name: Option<String>,
    arguments: Option<String>,
}

#[derive(Deserialize)]
struct ErrorAnswer {
    error: ApiError,
}

#[derive(Deserialize)]
struct ApiError {
    r#type: Option<String>,
}

impl ApiError {
    fn is_about_context(&self) -> bool {
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

/// An answer while it is being written.
#[derive(Debug, Default)]
pub struct Answer {
    text: String,
    calls: Vec<ToolCall>,
    logprobs: Vec<Value>,
    /// Bytes of all that is kept, about.
    size: usize,
    model: Option<String>,
    usage: Option<Usage>,
    timings: Option<Timings>,
    finish_reason: Option<FinishReason>,
    finished: bool,
    told_all: bool,
}

impl Answer {
    /// Takes up one event's data; returns the piece that it adds to the answer, if any.
    ///
    /// # Errors
    /// [`ModelError`] where the event tells of an error, cannot be read, or makes the answer too long.
    pub fn push(&mut self, data: &[u8]) -> Result<Option<Token>, ModelError> {
        if data == b"[DONE]" {
            self.told_all = true;
            return Ok(None);
        }
        let chunk: Chunk = serde_json::from_slice(data)
            .map_err(|_| ModelError::Failed("its stream cannot be read"))?;
        if let Some(error) = chunk.error {
            return Err(if error.is_about_context() {
                ModelError::ContextExceeded
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
        let piece = Token {
            text: choice.delta.content.unwrap_or_default(),
            tool_calls: choice.delta.tool_calls.filter(|calls| !calls.is_empty()),
            logprobs: choice.logprobs,
        };
        if piece == Token::default() {
            return Ok(None);
        }
        self.keep(&piece, data.len())?;
        Ok(Some(piece))
    }

    /// Adds a piece that came in an event of `bytes`.
    fn keep(&mut self, piece: &Token, bytes: usize) -> Result<(), ModelError> {
        let is_text = piece.tool_calls.is_none() && piece.logprobs.is_none();
        self.size += if is_text { piece.text.len() } else { bytes };
        if self.size > MAX_ANSWER_BYTES {
            return Err(ModelError::Failed("its answer has no end"));
        }
        self.text.push_str(&piece.text);
        for delta in piece.tool_calls.iter().flatten() {
            self.keep_call(delta)?;
        }
        if let Some(Value::Array(tokens)) = piece
            .logprobs
            .as_ref()
            .and_then(|logprobs| logprobs.get("content"))
        {
            self.logprobs.extend_from_slice(tokens);
        }
        Ok(())
    }

    fn keep_call(&mut self, delta: &Map<String, Value>) -> Result<(), ModelError> {
        let unreadable = || ModelError::Failed("its call of a tool cannot be read");
        let delta = CallDelta::deserialize(delta).map_err(|_| unreadable())?;
        if delta.index == self.calls.len() {
            self.calls.push(ToolCall::default());
        }
        let call = self.calls.get_mut(delta.index).ok_or_else(unreadable)?;
        call.id.push_str(&delta.id.unwrap_or_default());
        let function = delta.function;
        call.function
            .name
            .push_str(&function.name.unwrap_or_default());
        call.function
            .arguments
            .push_str(&function.arguments.unwrap_or_default());
        Ok(())
    }

    /// Whether the model has said that it came to an end; the counts may still follow.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.finished
    }

    /// Whether the stream has said that nothing follows.
    #[must_use]
    pub fn has_told_all(&self) -> bool {
        self.told_all
    }

    /// Tokens of the answer, as far as llama.cpp has told.
    #[must_use]
    pub fn completion_tokens(&self) -> Option<u64> {
        self.usage.map(|usage| usage.completion_tokens)
    }

    /// Makes the reply of the whole answer.
    ///
    /// # Errors
    /// [`ModelError::Failed`] where the stream ended before the model did.
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
        })
    }
}

#[cfg(test)]
#[allow(clippy::needless_pass_by_value)] // `json!` is handed over as it is made
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::messages::Message;

    const ID: Uuid = Uuid::from_u128(0x0192_0f3c_7a51_7c3e_8f00_0123_4567_89ab);

    fn request(approved: Value) -> Value {
        let chat = ApprovedChat::read(approved.to_string().as_bytes()).unwrap();
        serde_json::from_slice(&completion_request(&chat, ID).unwrap()).unwrap()
    }

    fn answer(events: &[Value]) -> (Vec<String>, Result<Reply, ModelError>) {
        let (pieces, reply) = told(events);
        (pieces.into_iter().map(|piece| piece.text).collect(), reply)
    }

    fn told(events: &[Value]) -> (Vec<Token>, Result<Reply, ModelError>) {
        let mut answer = Answer::default();
        let mut pieces = Vec::new();
        for event in events {
            match answer.push(event.to_string().as_bytes()) {
                Ok(piece) => pieces.extend(piece),
                Err(error) => return (pieces, Err(error)),
            }
        }
        (pieces, answer.into_reply(ID))
    }

    fn chunk(delta: Value, reason: Option<&str>) -> Value {
        json!({"model": "/models/some.gguf", "choices": [{"delta": delta, "finish_reason": reason}]})
    }

    /// The whole conversation and every parameter that was given go to llama.cpp, by its own names.
    #[test]
    fn the_request_carries_conversation_and_sampling() {
        let turns =
            json!([{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"}]);
        let sent = request(json!({
            "messages": turns, "sampling": {"temperature": 0.5, "seed": 7, "stop": ["END"]}, "model": "m",
        }));
        assert_eq!(
            sent,
            json!({"messages": turns, "temperature": 0.5, "seed": 7, "stop": ["END"], "model": "m",
                   "stream": true, "stream_options": {"include_usage": true}})
        );
    }

    /// Without a seed, the id makes one: Python's `int.from_bytes(sha256(str(id))[:4], "big")`.
    #[test]
    fn the_seed_comes_from_the_id() {
        let sent = request(json!({"messages": [{"role": "user", "content": "Hi"}]}));
        assert_eq!(sent["seed"], json!(seed_of(ID)));
        assert_eq!(seed_of(ID), 0x70be_83e1);
    }

    /// A whole stream: a role, thoughts, words, the end, and the counts in a chunk without choices.
    #[test]
    fn a_stream_becomes_a_reply() {
        let (pieces, reply) = answer(&[
            chunk(json!({"role": "assistant", "content": null}), None),
            chunk(json!({"reasoning_content": "hm"}), None),
            chunk(json!({"content": "Blue"}), None),
            chunk(json!({"content": " sky"}), None),
            chunk(json!({}), Some("length")),
            json!({"model": "x", "choices": [], "timings": {},
                   "usage": {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}}),
        ]);
        assert_eq!(pieces, ["Blue", " sky"]);
        let reply = reply.unwrap();
        assert_eq!(reply.response, "Blue sky");
        assert_eq!(reply.model.as_deref(), Some("some.gguf"));
        assert_eq!(reply.usage.unwrap().completion_tokens, 2);
        assert_eq!(reply.finish_reason, Some(FinishReason::Length));
    }

    /// What the answer is to be goes to llama.cpp as it is, the order of a schema's properties included.
    #[test]
    fn the_request_carries_tools_and_format() {
        let output = r#""tools":[{"type":"function","function":{"name":"w","parameters":{"z":1,"a":null}}}],"tool_choice":"required","response_format":{"type":"json_object"},"logprobs":true"#;
        let body =
            format!(r#"{{"messages":[{{"role":"user","content":"x"}}],"output":{{{output}}}}}"#);
        let chat = ApprovedChat::read(body.as_bytes()).unwrap();
        let sent = completion_request(&chat, ID).unwrap();
        assert!(std::str::from_utf8(&sent).unwrap().contains(output));
    }

    /// Calls are put together by their index, and every delta is passed on as it came.
    #[test]
    fn deltas_become_calls() {
        let first = json!({"index": 0, "id": "c1", "type": "function",
                           "function": {"name": "weather", "arguments": "{"}});
        let more = json!({"index": 0, "function": {"arguments": "}"}});
        let second = json!({"index": 1, "id": "c2", "type": "function",
                            "function": {"name": "time", "arguments": "{}"}});
        let (pieces, reply) = told(&[
            chunk(json!({"role": "assistant", "content": null}), None),
            chunk(json!({"tool_calls": [first]}), None),
            chunk(json!({"tool_calls": [more, second]}), None),
            chunk(json!({}), Some("tool_calls")),
        ]);
        let deltas: Vec<_> = pieces
            .into_iter()
            .filter_map(|piece| piece.tool_calls)
            .collect();
        assert_eq!(json!(deltas), json!([[first], [more, second]]));
        let reply = reply.unwrap();
        assert_eq!(reply.finish_reason, Some(FinishReason::ToolCalls));
        assert_eq!(
            json!(reply.tool_calls),
            json!([
                {"id": "c1", "type": "function", "function": {"name": "weather", "arguments": "{}"}},
                {"id": "c2", "type": "function", "function": {"name": "time", "arguments": "{}"}}
            ])
        );
    }

    /// A call out of order, or without a name, is no answer.
    #[test]
    fn a_broken_call_is_a_failure() {
        for call in [
            json!({"index": 1, "id": "c", "function": {"name": "x", "arguments": ""}}),
            json!({"index": 0, "id": "c", "function": {"arguments": "{}"}}),
            json!({"index": 0, "function": {"name": 7}}),
        ] {
            let (_, reply) = told(&[
                chunk(json!({"tool_calls": [call]}), None),
                chunk(json!({}), Some("tool_calls")),
            ]);
            assert!(matches!(reply, Err(ModelError::Failed(_))), "{call}");
        }
    }

    /// The pieces' logprobs are the answer's, in their order; the speeds are llama.cpp's.
    #[test]
    fn logprobs_and_timings_are_kept() {
        let token = |word: &str| {
            json!({"choices": [{"delta": {"content": word}, "finish_reason": null,
                                "logprobs": {"content": [{"token": word, "logprob": -0.5}]}}]})
        };
        let (pieces, reply) = told(&[
            token("a"),
            token("b"),
            chunk(json!({}), Some("stop")),
            json!({"choices": [], "timings": {"prompt_per_second": 12.5, "predicted_ms": 3}}),
        ]);
        assert!(pieces.iter().all(|piece| piece.logprobs.is_some()));
        let reply = reply.unwrap();
        assert_eq!(
            json!(reply.logprobs),
            json!({"content": [{"token": "a", "logprob": -0.5}, {"token": "b", "logprob": -0.5}]})
        );
        assert_eq!(reply.timings.unwrap().prompt_per_second, Some(12.5));
    }

    /// A stream without its end is not an answer, however much text it brought.
    #[test]
    fn a_stream_that_breaks_off_is_a_failure() {
        let (pieces, reply) = answer(&[chunk(json!({"content": "Blue"}), None)]);
        assert_eq!(pieces, ["Blue"]);
        assert!(matches!(reply, Err(ModelError::Failed(_))));
    }

    /// Errors in the middle of a stream are told apart as those before it are.
    #[test]
    fn errors_are_told_apart() {
        let context = json!({"error": {"code": 400, "type": "exceed_context_size_error"}});
        let other = json!({"error": {"code": 500, "type": "server_error"}});
        assert!(matches!(
            answer(std::slice::from_ref(&context)).1,
            Err(ModelError::ContextExceeded)
        ));
        assert!(matches!(
            answer(std::slice::from_ref(&other)).1,
            Err(ModelError::Failed(_))
        ));
        for (status, body, expected) in [
            (400, &context, "context_length_exceeded"),
            (400, &other, "model_failed"),
            (500, &other, "model_failed"),
            (503, &other, "model_unavailable"),
        ] {
            let error = error_answer(status, body.to_string().as_bytes());
            let code = crate::error::JobError::from(error).code().unwrap();
            assert_eq!(code.name(), expected);
        }
    }

    /// An answer that never ends does not fill the memory.
    #[test]
    fn an_endless_answer_is_given_up() {
        let piece = chunk(json!({"content": "x".repeat(1 << 20)}), None);
        let (_, reply) = answer(&[piece.clone(), piece.clone(), piece]);
        assert!(matches!(reply, Err(ModelError::Failed(_))));
    }

    proptest! {
        /// Whatever llama.cpp may send, it is an answer or a failure.
        #[test]
        fn no_event_makes_it_fail(data: Vec<u8>) {
            let _ = Answer::default().push(&data);
            let _ = error_answer(500, &data);
        }

        /// The pieces are the text.
        #[test]
        fn pieces_join_to_the_response(words in prop::collection::vec("\\PC{1,8}", 0..8)) {
            let mut events: Vec<Value> =
                words.iter().map(|word| chunk(json!({"content": word}), None)).collect();
            events.push(chunk(json!({}), Some("stop")));
            let (pieces, reply) = answer(&events);
            prop_assert_eq!(pieces.concat(), reply.unwrap().response);
        }
    }
}
