//! What llama.cpp says of itself and of its model's chat template (`GET /props`).

use std::num::NonZeroU32;

use serde::Deserialize;

/// What the model can do; what this llama.cpp does not say is `None`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Props {
    /// Tokens of a slot's context: of a conversation with its answer.
    pub n_ctx: Option<NonZeroU32>,
    /// Whether the chat template knows tools.
    pub supports_tools: Option<bool>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Answer {
    default_generation_settings: Settings,
    chat_template_caps: Capabilities,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Settings {
    n_ctx: Option<u32>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Capabilities {
    supports_tools: Option<bool>,
}

impl Props {
    /// Reads the answer to `/props`; an answer of another shape says nothing.
    #[must_use]
    pub fn read(body: &[u8]) -> Self {
        let answer: Answer = serde_json::from_slice(body).unwrap_or_default();
        Self {
            n_ctx: answer
                .default_generation_settings
                .n_ctx
                .and_then(NonZeroU32::new),
            supports_tools: answer.chat_template_caps.supports_tools,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Props;

    #[test]
    fn each_part_is_read_if_it_is_there() {
        let read = |body: &str| {
            let props = Props::read(body.as_bytes());
            (
                props.n_ctx.map(std::num::NonZeroU32::get),
                props.supports_tools,
            )
        };
        let whole = r#"{"default_generation_settings": {"n_ctx": 2048, "params": {}}, "total_slots": 1,
            "chat_template_caps": {"supports_tools": true, "supports_tool_calls": true}}"#;
        assert_eq!(read(whole), (Some(2048), Some(true)));
        let older =
            r#"{"default_generation_settings": {"n_ctx": 512}, "chat_template": "{{ x }}"}"#;
        assert_eq!(read(older), (Some(512), None));
        for nothing in [
            r#"{"default_generation_settings": {"n_ctx": 0}}"#,
            "[]",
            "",
            r#"{"default_generation_settings": 3}"#,
        ] {
            assert_eq!(read(nothing), (None, None));
        }
    }
}
