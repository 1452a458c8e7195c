//! What is said to llama.cpp. Pure: no network, no clock.
//!
//! The format is `OpenAI`'s chat completions as llama.cpp's server extends it
//! (<https://github.com/ggml-org/llama.cpp/blob/master/tools/server/README.md>).

use bytes::Bytes;
use serde::Serialize;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::error::InvalidMessage;
use crate::messages::{ApprovedChat, Output, Sampling, Turn};

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

#[cfg(test)]
#[allow(clippy::needless_pass_by_value)] // `json!` is handed over as it is made
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::messages::Message;

    const ID: Uuid = Uuid::from_u128(0x0192_0f3c_7a51_7c3e_8f00_0123_4567_89ab);

    fn request(approved: Value) -> Value {
        let chat = ApprovedChat::read(approved.to_string().as_bytes()).unwrap();
        serde_json::from_slice(&completion_request(&chat, ID).unwrap()).unwrap()
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
}
