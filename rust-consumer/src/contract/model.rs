//! A model's name as one token of a subject, as in `contracts/src/stile_contracts/models.py`.

use std::fmt::{self, Write};

/// With lane and client a durable consumer's name is then 205 bytes at most; nats-server takes 255.
const MAX_TOKEN_BYTES: usize = 128;

/// The token of a model: what requests that name it have at the end of their subjects.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ModelToken(String);

impl ModelToken {
    /// The token of the model `name`; `None` if it is empty or too long for one: such a model
    /// cannot be asked for by its name.
    ///
    /// Names that differ in the case of ASCII letters alone have the same token, all others have
    /// different ones.
    #[must_use]
    pub fn of(name: &str) -> Option<Self> {
        let mut token = String::with_capacity(name.len());
        for byte in name.bytes().map(|byte| byte.to_ascii_lowercase()) {
            if is_plain(byte) {
                token.push(char::from(byte));
            } else {
                write!(token, "={byte:02X}").ok()?;
            }
        }
        ((1..=MAX_TOKEN_BYTES).contains(&token.len())).then_some(Self(token))
    }

    /// Reads a token; `None` if the text is none.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let is_hex = |digit: u8| matches!(digit, b'0'..=b'9' | b'A'..=b'F');
        let mut rest = text.as_bytes();
        while let [first, behind @ ..] = rest {
            rest = match behind {
                _ if is_plain(*first) => behind,
                [high, low, behind @ ..] if *first == b'=' && is_hex(*high) && is_hex(*low) => {
                    behind
                }
                _ => return None,
            };
        }
        ((1..=MAX_TOKEN_BYTES).contains(&text.len())).then(|| Self(text.to_owned()))
    }

    /// As it stands in a subject.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ModelToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn is_plain(byte: u8) -> bool {
    matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde::Deserialize;

    use super::*;

    #[derive(Deserialize)]
    struct Named {
        name: String,
        token: Option<String>,
    }

    /// Python makes the same tokens: both read the one fixture.
    #[test]
    fn the_tokens_are_the_fixtures() {
        let path = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../contracts/fixtures/v1/models.json"
        );
        let text = std::fs::read_to_string(path).unwrap();
        let all: Vec<Named> = serde_json::from_str(&text).unwrap();
        assert!(all.len() > 10);
        for Named { name, token } in all {
            let made = ModelToken::of(&name);
            assert_eq!(
                made.as_ref().map(ModelToken::as_str),
                token.as_deref(),
                "{name}"
            );
        }
    }

    /// What is no token is not read as one.
    #[test]
    fn other_texts_are_no_tokens() {
        for text in [
            "",
            "A",
            "a.b",
            "=",
            "=4",
            "=4g",
            "=4a",
            "a=",
            "*",
            ">",
            "é",
            &"x".repeat(129),
        ] {
            assert_eq!(ModelToken::parse(text), None, "{text:?}");
        }
    }

    proptest! {
        /// Whatever a model is called, its token is read again as it was made, and names nothing
        /// else.
        #[test]
        fn tokens_are_read_as_they_were_made(one in "\\PC{0,50}", other in "\\PC{0,50}") {
            let token = ModelToken::of(&one);
            if let Some(token) = &token {
                prop_assert_eq!(ModelToken::parse(token.as_str()), Some(token.clone()));
            }
            if token.is_some() && token == ModelToken::of(&other) {
                prop_assert!(one.eq_ignore_ascii_case(&other));
            }
        }
    }
}
