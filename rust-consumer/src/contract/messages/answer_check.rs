//! The check of an answer: what a worker asks a filter while the model writes, and the reply.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Message, Refusal, Reply, valid};
use crate::error::InvalidMessage;

/// What a text of an answer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AnswerKind {
    /// What the model says.
    Content,
    /// What it thinks.
    Reasoning,
    /// The name and the arguments of one call of a tool.
    Call,
}

/// One text of an answer: what is not released yet, with enough of the text before it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AnswerPart {
    /// What it is.
    pub kind: AnswerKind,
    /// The text.
    pub text: String,
    /// Characters of the answer that are before `text` and are left out.
    #[serde(default)]
    pub offset: usize,
    /// Characters at the beginning of `text` that were released before.
    #[serde(default)]
    pub released: usize,
    /// Whether the text ends here, as far as the worker knows: nothing may be held back.
    #[serde(default)]
    pub closed: bool,
}

/// The request for a check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AnswerCheck {
    /// The request's id.
    pub id: Uuid,
    /// The number of this check of the answer, from 0.
    pub seq: u64,
    /// The model's short name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Set if the answer has ended, and the parts are its whole texts: the filter remembers that
    /// this client has received them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client: Option<String>,
    /// The texts.
    pub parts: Vec<AnswerPart>,
}

impl AnswerCheck {
    /// What a filter remembers of an answer that a client receives; `None` if it has no text.
    #[must_use]
    pub fn of_answer(reply: &Reply, client: &str) -> Option<Self> {
        let content = (!reply.response.is_empty())
            .then(|| AnswerPart::whole(AnswerKind::Content, reply.response.clone()));
        let calls = reply.tool_calls.iter().flatten().map(|call| {
            let text = format!("{}\n{}", call.function.name, call.function.arguments);
            AnswerPart::whole(AnswerKind::Call, text)
        });
        let parts: Vec<_> = content.into_iter().chain(calls).collect();
        (!parts.is_empty()).then(|| Self {
            id: reply.id,
            seq: 0,
            model: reply.model.clone(),
            client: Some(client.to_owned()),
            parts,
        })
    }
}

impl AnswerPart {
    /// A text that has ended, and that may be sent.
    fn whole(kind: AnswerKind, text: String) -> Self {
        let released = text.chars().count();
        Self {
            kind,
            text,
            offset: 0,
            released,
            closed: true,
        }
    }
}

impl Message for AnswerCheck {
    fn check(&self) -> Result<(), InvalidMessage> {
        valid("parts", !self.parts.is_empty())?;
        let is_whole = |part: &AnswerPart| part.released <= part.text.chars().count();
        valid("released", self.parts.iter().all(is_whole))
    }
}

/// The reply to a check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AnswerVerdict {
    /// For each part: characters from the beginning of its text that may be sent.
    #[serde(default)]
    pub release: Vec<usize>,
    /// Set if the answer is refused; nothing more may be sent then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refusal: Option<Refusal>,
    /// The policy's text of the refusal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub response: Option<String>,
    /// If the answer is refused: the policy's rule, for the log of what happened.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// If a keyword was found: in which way of reading the text, for the log of what happened.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub view: Option<String>,
    /// Whether a check could not be made; it may be asked for again.
    #[serde(default)]
    pub failed: bool,
}

impl Message for AnswerVerdict {}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const ID: &str = "01920f3c-7a51-7c3e-8f00-0123456789ab";

    fn reply(response: &str, calls: &serde_json::Value) -> Reply {
        serde_json::from_value(json!({"response": response, "id": ID, "tool_calls": calls}))
            .unwrap()
    }

    /// A filter remembers the text and each call, whole and released; what has no text is left out.
    #[test]
    fn an_answer_is_its_text_and_its_calls() {
        let call = json!({
            "id": "c1", "type": "function",
            "function": {"name": "weather", "arguments": "{\"city\": \"Zürich\"}"},
        });
        let answer = AnswerCheck::of_answer(&reply("Größe", &json!([call])), "alice").unwrap();
        let told: Vec<_> = answer
            .parts
            .iter()
            .map(|part| (part.kind, &*part.text, part.released, part.closed))
            .collect();
        assert_eq!(
            told,
            [
                (AnswerKind::Content, "Größe", 5, true),
                (
                    AnswerKind::Call,
                    "weather\n{\"city\": \"Zürich\"}",
                    26,
                    true
                ),
            ]
        );
        assert_eq!(answer.client.as_deref(), Some("alice"));
        assert!(answer.check().is_ok());
        assert_eq!(
            AnswerCheck::of_answer(&reply("", &json!(null)), "alice"),
            None
        );
    }
}
