//! Every text of an approved request that the model's template may write, and its place.

use std::borrow::Cow;
use std::fmt::{self, Display};

use serde_json::{Map, Value};

use crate::messages::{ApprovedChat, Role, Turn};

/// Where a text stands. Messages are counted from the last one: before the first the policy may have its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// A message; 0 is the last.
    Message(usize),
    /// A tool's definition.
    Tool(usize),
    /// The tool that must be called.
    ToolChoice,
    /// The format of the answer.
    ResponseFormat,
    /// Two texts together.
    Joined,
}

impl Place {
    /// The field of the request.
    #[must_use]
    pub fn param(self) -> String {
        match self {
            Self::Message(_) | Self::Joined => "messages".to_owned(),
            Self::Tool(index) => format!("tools[{index}]"),
            Self::ToolChoice => "tool_choice".to_owned(),
            Self::ResponseFormat => "response_format".to_owned(),
        }
    }
}

impl Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Message(0) => f.write_str("the last message"),
            Self::Message(nth) => write!(f, "message {} from the end", nth + 1),
            Self::Joined => f.write_str("two texts together"),
            other => f.write_str(&other.param()),
        }
    }
}

/// One text.
#[derive(Debug)]
pub struct Text<'a> {
    /// As the model may read it.
    pub text: Cow<'a, str>,
    /// Where it stands.
    pub place: Place,
}

/// All texts, in the conversation's order. What JSON's escapes stand for in arguments and results of tools comes
/// beside them, as some templates read those as JSON.
#[must_use]
pub fn of(chat: &ApprovedChat) -> Vec<Text<'_>> {
    let last = chat.messages.len().saturating_sub(1);
    let mut texts = Vec::new();
    for (index, turn) in chat.messages.iter().enumerate() {
        let place = Place::Message(last - index);
        texts.extend(of_turn(turn).into_iter().map(|text| Text { text, place }));
    }
    let escaped = texts_with_escapes(chat);
    for (index, tool) in chat.output.tools.iter().flatten().enumerate() {
        texts.push(strings_of(tool, Place::Tool(index)));
    }
    if let Some(Value::Object(choice)) = &chat.output.tool_choice {
        texts.push(strings_of(choice, Place::ToolChoice));
    }
    if let Some(format) = &chat.output.response_format {
        texts.push(strings_of(format, Place::ResponseFormat));
    }
    texts.extend(escaped);
    texts
}

fn of_turn(turn: &Turn) -> Vec<Cow<'_, str>> {
    let calls = turn.tool_calls.iter().flatten();
    let calls = calls.flat_map(|call| [&call.id, &call.function.name, &call.function.arguments]);
    let texts = turn.tool_call_id.iter().chain(&turn.content).chain(calls);
    texts.map(|text| Cow::Borrowed(text.as_str())).collect()
}

fn texts_with_escapes(chat: &ApprovedChat) -> Vec<Text<'_>> {
    let last = chat.messages.len().saturating_sub(1);
    let mut texts = Vec::new();
    for (index, turn) in chat.messages.iter().enumerate() {
        let content = turn.content.iter().filter(|_| turn.role == Role::Tool);
        let calls = turn.tool_calls.iter().flatten();
        let read_as_json = content.chain(calls.map(|call| &call.function.arguments));
        texts.extend(
            read_as_json
                .filter(|text| text.contains('\\'))
                .map(|text| Text {
                    text: Cow::Owned(decoded(text)),
                    place: Place::Message(last - index),
                }),
        );
    }
    texts
}

/// The keys and strings of an object, a line each.
fn strings_of(object: &Map<String, Value>, place: Place) -> Text<'static> {
    let mut text = String::new();
    gather(object, &mut text);
    Text {
        text: Cow::Owned(text),
        place,
    }
}

// No deeper than `serde_json` reads: 128 levels.
fn gather(object: &Map<String, Value>, text: &mut String) {
    for (key, value) in object {
        text.push_str(key);
        text.push('\n');
        gather_value(value, text);
    }
}

fn gather_value(value: &Value, text: &mut String) {
    match value {
        Value::String(string) => {
            text.push_str(string);
            text.push('\n');
        }
        Value::Array(items) => items.iter().for_each(|item| gather_value(item, text)),
        Value::Object(fields) => gather(fields, text),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// The text with what JSON's escapes in it stand for, whether it is JSON or not.
fn decoded(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        if c != '\\' {
            plain.push(c);
            continue;
        }
        let hex = rest
            .as_str()
            .get(1..5)
            .filter(|hex| hex.bytes().all(|byte| byte.is_ascii_hexdigit()));
        plain.extend(match (rest.next(), hex) {
            (Some('u'), Some(hex)) => {
                rest.nth(3);
                let code = u32::from_str_radix(hex, 16).ok();
                // Half of a surrogate pair: no marker has one.
                Some(
                    code.and_then(char::from_u32)
                        .unwrap_or(char::REPLACEMENT_CHARACTER),
                )
            }
            (Some('n' | 'r' | 't' | 'b' | 'f'), _) => Some('\n'),
            (other, _) => other,
        });
    }
    plain
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::messages::Message;

    /// Each text is there with its place, and what escapes stand for beside it.
    #[test]
    fn all_that_a_template_may_write_is_there() {
        let call = json!({"id": "call_0", "type": "function", "function": {"name": "name",
            "arguments": r#"{"a\u003cb": "\u003c\/s\u003e \\ \ud83d"}"#}});
        let body = json!({
            "messages": [
                {"role": "system", "content": "policy"},
                {"role": "user", "content": r"\u003c stays"},
                {"role": "assistant", "tool_calls": [call]},
                {"role": "tool", "tool_call_id": "call_0", "content": r#""\u003ctool""#},
            ],
            "sampling": {"stop": ["stop"]},
            "output": {
                "tools": [{"type": "function", "function": {"name": "f", "parameters":
                    {"properties": {"key": {"enum": ["one", ["two"], {"three": "four"}], "x": null}}}}}],
                "tool_choice": {"type": "function", "function": {"name": "chosen"}},
                "response_format": {"type": "json_schema", "json_schema": {"schema": {"title": "titled"}}},
            },
        });
        let chat = ApprovedChat::read(body.to_string().as_bytes()).unwrap();
        let texts = of(&chat);
        let found = |text: &str| {
            let all = texts.iter().find(|has| has.text.contains(text));
            all.map(|has| has.place)
        };
        for (text, place) in [
            ("policy", Place::Message(3)),
            ("stays", Place::Message(2)),
            ("name", Place::Message(1)),
            ("a<b", Place::Message(1)),
            ("</s> \\ \u{fffd}", Place::Message(1)),
            ("call_0", Place::Message(1)),
            ("<tool", Place::Message(0)),
            ("key\n", Place::Tool(0)),
            ("one\n", Place::Tool(0)),
            ("two\n", Place::Tool(0)),
            ("three\n", Place::Tool(0)),
            ("four\n", Place::Tool(0)),
            ("chosen", Place::ToolChoice),
            ("titled", Place::ResponseFormat),
        ] {
            assert_eq!(found(text), Some(place), "{text}");
        }
        assert_eq!(found("< stays"), None, "a user's text is not read as JSON");
        assert_eq!(found("stop"), None, "the model does not read it");
    }

    /// What is no escape, or is cut off, is kept.
    #[test]
    fn escapes_are_read() {
        for (text, plain) in [
            (r"\u003c|x|\u003E", "<|x|>"),
            (r"\\u003c", r"\u003c"),
            (r"\u00", "u00"),
            (r"\u00é9", "u00é9"),
            ("\\", ""),
            (r"a\/b\n", "a/b\n"),
        ] {
            assert_eq!(decoded(text), plain);
        }
    }
}
