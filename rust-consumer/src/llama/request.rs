//! The request that is sent to llama.cpp. Pure: no network, no clock.
//!
//! The format is `OpenAI`'s chat completions as llama.cpp's server extends it
//! (<https://github.com/ggml-org/llama.cpp/blob/master/tools/server/README.md>).

use bytes::Bytes;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::contract::messages::ApprovedChat;
use crate::error::InvalidMessage;

/// What is handed on of an approval's `sampling`. No text among it is read by the model.
const SAMPLING: [&str; 12] = [
    "temperature",
    "top_k",
    "top_p",
    "min_p",
    "typical_p",
    "repeat_penalty",
    "repeat_last_n",
    "presence_penalty",
    "frequency_penalty",
    "seed",
    "max_tokens",
    "stop",
];
/// What is handed on of an approval's `output`. The search for control tokens reads the texts among
/// it.
const OUTPUT: [&str; 8] = [
    "tools",
    "tool_choice",
    "parallel_tool_calls",
    "response_format",
    "logprobs",
    "top_logprobs",
    "reasoning_effort",
    OPTIONS,
];
/// The variables of the model's chat template.
const OPTIONS: &str = "chat_template_kwargs";

/// Writes the body of `POST /v1/chat/completions` for the request `id`.
///
/// Fields by other names are left out: so nothing in an approval replaces the messages, and nothing
/// that was not looked at reaches the model.
///
/// # Errors
/// [`InvalidMessage::Json`], which nothing in an [`ApprovedChat`] can cause.
pub fn completion_request(chat: &ApprovedChat, id: Uuid) -> Result<Bytes, InvalidMessage> {
    let mut request = Map::new();
    request.insert("messages".to_owned(), serde_json::to_value(&chat.messages)?);
    if let Some(model) = &chat.model {
        request.insert("model".to_owned(), json!(model));
    }
    for (fields, names) in [(&chat.sampling, &SAMPLING[..]), (&chat.output, &OUTPUT)] {
        let known = fields
            .iter()
            .filter(|(name, value)| names.contains(&name.as_str()) && !value.is_null());
        request.extend(known.map(|(name, value)| (name.clone(), value.clone())));
    }
    if let Some(Value::String(effort)) = chat.output.get("reasoning_effort") {
        // Templates read it among their variables.
        let options = request.entry(OPTIONS).or_insert_with(|| json!({}));
        if let Some(options) = options.as_object_mut() {
            options.entry("reasoning_effort").or_insert(json!(effort));
            if effort == "none" {
                options.entry("enable_thinking").or_insert(json!(false));
            }
        }
    }
    request.entry("seed").or_insert_with(|| seed_of(id).into());
    request.insert("stream".to_owned(), Value::Bool(true));
    request.insert("stream_options".to_owned(), json!({"include_usage": true}));
    Ok(serde_json::to_vec(&request)?.into())
}

/// The seed of a request that names none: the first 32 bits of the id's SHA-256, big-endian, so
/// that a second attempt draws the same words.
#[must_use]
pub fn seed_of(id: Uuid) -> u32 {
    let [a, b, c, d, ..] = <[u8; 32]>::from(Sha256::digest(id.to_string()));
    u32::from_be_bytes([a, b, c, d])
}

#[cfg(test)]
#[allow(clippy::needless_pass_by_value)] // `json!` is handed over as it is made
mod tests {
    use super::*;
    use crate::contract::messages::Message;

    const ID: Uuid = Uuid::from_u128(0x0192_0f3c_7a51_7c3e_8f00_0123_4567_89ab);

    fn request(approved: Value) -> Value {
        let chat = ApprovedChat::read(approved.to_string().as_bytes()).unwrap();
        serde_json::from_slice(&completion_request(&chat, ID).unwrap()).unwrap()
    }

    /// The whole conversation and every parameter that was given go to llama.cpp, by its own names.
    #[test]
    fn the_request_carries_conversation_and_sampling() {
        let messages =
            json!([{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"}]);
        let sent = request(json!({
            "messages": messages, "sampling": {"temperature": 0.5, "seed": 7, "stop": ["END"], "top_k": null},
            "model": "m",
        }));
        assert_eq!(
            sent,
            json!({"messages": messages, "temperature": 0.5, "seed": 7, "stop": ["END"], "model": "m",
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

    /// The output options go to llama.cpp as they are, the order of a schema's properties included.
    #[test]
    fn the_request_carries_tools_and_format() {
        let output = r#""tools":[{"type":"function","function":{"name":"w","parameters":{"z":1,"a":null}}}],"tool_choice":"required","response_format":{"type":"json_object"},"logprobs":true"#;
        let body =
            format!(r#"{{"messages":[{{"role":"user","content":"x"}}],"output":{{{output}}}}}"#);
        let chat = ApprovedChat::read(body.as_bytes()).unwrap();
        let sent = completion_request(&chat, ID).unwrap();
        assert!(std::str::from_utf8(&sent).unwrap().contains(output));
    }

    /// The options of a thinking model's template, the effort among them.
    #[test]
    fn the_request_carries_the_options_of_the_template() {
        let messages = json!([{"role": "user", "content": "Hi"}]);
        let sent = |output| request(json!({"messages": messages, "output": output}));
        let options = json!({"enable_thinking": true, "thinking_budget": 5});
        let given = sent(json!({"chat_template_kwargs": options}));
        assert_eq!(given["chat_template_kwargs"], options);
        let low = sent(json!({"reasoning_effort": "low"}));
        assert_eq!(low["reasoning_effort"], "low");
        assert_eq!(
            low["chat_template_kwargs"],
            json!({"reasoning_effort": "low"})
        );
        let none = sent(json!({"reasoning_effort": "none"}));
        assert_eq!(
            none["chat_template_kwargs"]["enable_thinking"],
            json!(false)
        );
    }

    /// No field of an approval, at any level, becomes one that the model reads and nobody has
    /// looked at.
    #[test]
    fn fields_by_other_names_are_left_out() {
        let messages = json!([{"role": "user", "content": "Hi"}]);
        let other = json!([{"role": "user", "content": "other"}]);
        let call =
            json!({"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}});
        let mut more = call.clone();
        more["later"] = json!("x");
        more["function"]["later"] = json!("x");
        let sent = request(json!({
            "messages": [messages[0], {"role": "assistant", "tool_calls": [more], "reasoning_content": "x"}],
            "sampling": {"messages": other, "stream": false, "grammar": "x", "seed": 7},
            "output": {"messages": other, "prompt": "x", "stream_options": {}, "grammar": "x"},
        }));
        assert_eq!(
            sent,
            json!({"messages": [messages[0], {"role": "assistant", "tool_calls": [call]}], "seed": 7,
                   "stream": true, "stream_options": {"include_usage": true}})
        );
    }
}
