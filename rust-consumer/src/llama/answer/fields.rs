//! The fields of a piece that are passed on. A model, or a template, may write others; no rule
//! reads those, so they are left out.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Number, Value, json};

/// What a delta of a call adds to it. Its id is not read: it may be the model's text, so the worker
/// makes one.
#[derive(Default, Deserialize)]
pub struct CallDelta {
    #[serde(default)]
    pub index: usize,
    #[serde(default)]
    pub function: FunctionDelta,
}

#[derive(Default, Deserialize)]
pub struct FunctionDelta {
    pub name: Option<String>,
    pub arguments: Option<String>,
}

/// A delta in `OpenAI`'s shape: with an id, it begins a call.
pub fn call_delta(index: usize, id: Option<&str>, function: FunctionDelta) -> Map<String, Value> {
    let mut delta = Map::from_iter([("index".to_owned(), json!(index))]);
    if let Some(id) = id {
        delta.insert("id".to_owned(), json!(id));
        delta.insert("type".to_owned(), json!("function"));
    }
    let mut fields = Map::new();
    let named = [("name", function.name), ("arguments", function.arguments)];
    for (name, text) in named {
        fields.extend(text.map(|text| (name.to_owned(), Value::String(text))));
    }
    delta.insert("function".to_owned(), Value::Object(fields));
    delta
}

#[derive(Deserialize)]
struct Logprobs {
    content: Option<Vec<TokenLogprob>>,
}

#[derive(Serialize, Deserialize)]
struct TokenLogprob {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<u64>,
    token: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes: Option<Vec<u8>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    logprob: Option<Number>,
    #[serde(skip_serializing_if = "Option::is_none")]
    top_logprobs: Option<Vec<TokenLogprob>>,
}

impl TokenLogprob {
    /// Bytes that are another text than the token are not passed on. A part of a character is no
    /// text.
    fn checkable(mut self) -> Self {
        let is_other =
            |bytes: &Vec<u8>| std::str::from_utf8(bytes).is_ok_and(|text| text != self.token);
        self.bytes = self.bytes.filter(|bytes| !is_other(bytes));
        let alternatives = self.top_logprobs.map(|tokens| {
            let alone = |token: Self| Self {
                top_logprobs: None,
                ..token.checkable()
            };
            tokens.into_iter().map(alone).collect()
        });
        Self {
            top_logprobs: alternatives,
            ..self
        }
    }
}

/// The logprobs of a piece; `None` if they are not of `OpenAI`'s shape, or there are none.
pub fn logprobs(written: Map<String, Value>) -> Option<Map<String, Value>> {
    let tokens = Logprobs::deserialize(written).ok()?.content?;
    let tokens: Vec<_> = tokens.into_iter().map(TokenLogprob::checkable).collect();
    Some(Map::from_iter([("content".to_owned(), json!(tokens))]))
}
