//! Every text of an approved request that the model's template may write, and its location.

use std::borrow::Cow;
use std::fmt::{self, Display};

use serde_json::Value;

use crate::contract::messages::{ApprovedChat, ChatMessage, Role};

/// Where a text is. Messages are counted from the last one: the policy may put its own before the
/// first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Location {
    /// A message; 0 is the last.
    Message(usize),
    /// A tool's definition.
    Tool(usize),
    /// The tool that must be called.
    ToolChoice,
    /// The format of the answer.
    ResponseFormat,
    /// The variables of the template.
    TemplateOptions,
    /// Two texts together.
    Joined,
}

impl Location {
    /// The field of the request.
    #[must_use]
    pub fn param(self) -> String {
        match self {
            Self::Message(_) | Self::Joined => "messages".to_owned(),
            Self::Tool(index) => format!("tools[{index}]"),
            Self::ToolChoice => "tool_choice".to_owned(),
            Self::ResponseFormat => "response_format".to_owned(),
            Self::TemplateOptions => "chat_template_kwargs".to_owned(),
        }
    }
}

impl Display for Location {
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
    /// Where it is.
    pub location: Location,
}

/// All texts, in the conversation's order. What JSON's escapes stand for in arguments and results
/// of tools comes beside them, as some templates read those as JSON.
#[must_use]
pub fn of(chat: &ApprovedChat) -> Vec<Text<'_>> {
    let last = chat.messages.len().saturating_sub(1);
    let mut texts = Vec::new();
    for (index, message) in chat.messages.iter().enumerate() {
        let location = Location::Message(last - index);
        texts.extend(
            of_message(message)
                .into_iter()
                .map(|text| Text { text, location }),
        );
    }
    let escaped = texts_with_escapes(chat);
    let output = |name| chat.output.get(name).unwrap_or(&Value::Null);
    match output("tools") {
        Value::Array(tools) => {
            let tools = tools.iter().enumerate();
            texts.extend(tools.map(|(index, tool)| strings_of(tool, Location::Tool(index))));
        }
        other => texts.push(strings_of(other, Location::Tool(0))),
    }
    if let choice @ Value::Object(_) = output("tool_choice") {
        texts.push(strings_of(choice, Location::ToolChoice));
    }
    texts.push(strings_of(
        output("response_format"),
        Location::ResponseFormat,
    ));
    texts.push(strings_of(
        output("chat_template_kwargs"),
        Location::TemplateOptions,
    ));
    texts.extend(escaped);
    texts
}

fn of_message(message: &ChatMessage) -> Vec<Cow<'_, str>> {
    let calls = message.tool_calls.iter().flatten();
    let calls = calls.flat_map(|call| [&call.id, &call.function.name, &call.function.arguments]);
    let texts = message
        .tool_call_id
        .iter()
        .chain(&message.content)
        .chain(calls);
    texts.map(|text| Cow::Borrowed(text.as_str())).collect()
}

fn texts_with_escapes(chat: &ApprovedChat) -> Vec<Text<'_>> {
    let last = chat.messages.len().saturating_sub(1);
    let mut texts = Vec::new();
    for (index, message) in chat.messages.iter().enumerate() {
        let content = message
            .content
            .iter()
            .filter(|_| message.role == Role::Tool);
        let calls = message.tool_calls.iter().flatten();
        let read_as_json = content.chain(calls.map(|call| &call.function.arguments));
        texts.extend(
            read_as_json
                .filter(|text| text.contains('\\'))
                .map(|text| Text {
                    text: Cow::Owned(decoded(text)),
                    location: Location::Message(last - index),
                }),
        );
    }
    texts
}

/// The keys and strings of a value, a line each.
fn strings_of(value: &Value, location: Location) -> Text<'static> {
    let mut text = String::new();
    gather(value, &mut text);
    Text {
        text: Cow::Owned(text),
        location,
    }
}

// No deeper than `serde_json` reads: 128 levels.
fn gather(value: &Value, text: &mut String) {
    match value {
        Value::String(string) => push_line(string, text),
        Value::Array(items) => items.iter().for_each(|item| gather(item, text)),
        Value::Object(fields) => {
            for (key, value) in fields {
                push_line(key, text);
                gather(value, text);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn push_line(line: &str, text: &mut String) {
    text.push_str(line);
    text.push('\n');
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
    use crate::contract::messages::Message;

    /// Each text is there with its location, and what escapes stand for beside it.
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
                "chat_template_kwargs": {"option": "opted"},
            },
        });
        let chat = ApprovedChat::read(body.to_string().as_bytes()).unwrap();
        let texts = of(&chat);
        let found = |text: &str| {
            let all = texts.iter().find(|has| has.text.contains(text));
            all.map(|has| has.location)
        };
        for (text, place) in [
            ("policy", Location::Message(3)),
            ("stays", Location::Message(2)),
            ("name", Location::Message(1)),
            ("a<b", Location::Message(1)),
            ("</s> \\ \u{fffd}", Location::Message(1)),
            ("call_0", Location::Message(1)),
            ("<tool", Location::Message(0)),
            ("key\n", Location::Tool(0)),
            ("one\n", Location::Tool(0)),
            ("two\n", Location::Tool(0)),
            ("three\n", Location::Tool(0)),
            ("four\n", Location::Tool(0)),
            ("chosen", Location::ToolChoice),
            ("titled", Location::ResponseFormat),
            ("opted", Location::TemplateOptions),
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
