//! The key that llama.cpp is asked with (`llama-server --api-key`): a secret, from a variable or a
//! file.

use std::fmt;

use clap::Args;
use reqwest::header::HeaderValue;
use thiserror::Error;

/// Where the key is. If neither is set, llama.cpp asks for none.
#[derive(Debug, Clone, Default, Args)]
pub struct KeySource {
    /// The key of a llama.cpp server that asks for one
    #[arg(
        long = "llama-key",
        env = "STILE_LLAMA_KEY",
        value_name = "STILE_LLAMA_KEY",
        hide_env_values = true,
        value_parser = given
    )]
    given: Option<Text>,

    /// File that holds the key, in place of the variable
    #[arg(long = "llama-key-file", env = "STILE_LLAMA_KEY_FILE", value_name = "STILE_LLAMA_KEY_FILE", value_parser = read)]
    file: Option<Text>,
}

/// Why the key cannot be used. The text does not quote it.
#[derive(Debug, Error)]
pub enum KeyError {
    /// Two keys.
    #[error("STILE_LLAMA_KEY and STILE_LLAMA_KEY_FILE are both set: set one of them")]
    Both,
    /// The variable's value cannot be used in a header.
    #[error("STILE_LLAMA_KEY: a key is printable ASCII without spaces")]
    Given,
    /// The same of the file, or it is empty.
    #[error("STILE_LLAMA_KEY_FILE: the file holds no key (printable ASCII without spaces)")]
    File,
}

impl KeySource {
    /// The key, if one is set. An empty variable sets none.
    ///
    /// # Errors
    /// [`KeyError`].
    pub fn get(&self) -> Result<Option<Key>, KeyError> {
        let given = self.given.as_ref().filter(|text| !text.0.is_empty());
        match (given, &self.file) {
            (None, None) => Ok(None),
            (Some(text), None) => Key::of(&text.0).map(Some).ok_or(KeyError::Given),
            (None, Some(text)) => Key::of(&text.0).map(Some).ok_or(KeyError::File),
            (Some(_), Some(_)) => Err(KeyError::Both),
        }
    }
}

/// A secret text: shown neither in `Debug` nor in an error of the command line.
#[derive(Clone)]
struct Text(String);

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Text(…)")
    }
}

/// The key itself; its `Debug` does not show it.
#[derive(Debug, Clone)]
pub struct Key(HeaderValue);

impl Key {
    fn of(text: &str) -> Option<Self> {
        let is_plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic());
        let mut value = HeaderValue::from_str(&format!("Bearer {text}")).ok()?;
        value.set_sensitive(true);
        is_plain.then_some(Self(value))
    }

    /// What the header `Authorization` is to hold.
    #[must_use]
    pub fn authorization(&self) -> HeaderValue {
        self.0.clone()
    }
}

// The command line quotes a value that its parser refuses: so whether it is a key is checked later.
#[allow(clippy::unnecessary_wraps)]
fn given(text: &str) -> Result<Text, String> {
    Ok(Text(text.to_owned()))
}

fn read(path: &str) -> Result<Text, String> {
    let text = std::fs::read_to_string(path).map_err(|error| error.to_string())?;
    Ok(Text(text.trim().to_owned()))
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use clap::{CommandFactory, Parser};

    use super::*;
    use crate::config::Config;

    const KEY: &str = "vErYsEcReT-0123456789";

    fn source(arguments: &[&str]) -> KeySource {
        Config::try_parse_from([&["stile-consumer"], arguments].concat())
            .unwrap()
            .llama_key
    }

    fn file(text: &str) -> tempfile::NamedTempFile {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(text.as_bytes()).unwrap();
        file
    }

    /// From either place it becomes the header's value, and is shown nowhere.
    #[test]
    fn the_key_is_sent_and_shown_to_nobody() {
        let file = file(&format!("{KEY}\n"));
        let path = file.path().to_str().unwrap();
        for arguments in [["--llama-key", KEY], ["--llama-key-file", path]] {
            let source = source(&arguments);
            let key = source.get().unwrap().unwrap();
            assert_eq!(key.authorization(), format!("Bearer {KEY}"));
            assert!(key.authorization().is_sensitive());
            assert!(!format!("{source:?}{key:?}").contains(KEY));
        }
        let help = Config::command().render_long_help().to_string();
        assert!(help.contains("STILE_LLAMA_KEY"));
    }

    /// None is asked with where none is set; an empty variable sets none.
    #[test]
    fn without_a_key_none_is_sent() {
        assert!(source(&[]).get().unwrap().is_none());
        assert!(source(&["--llama-key="]).get().unwrap().is_none());
    }

    /// What is no key stops the start, by its variable, and is not quoted.
    #[test]
    fn what_is_no_key_is_named_by_its_variable() {
        let (bad, empty, good) = (file("two words"), file("\n"), file(KEY));
        let path = |file: &tempfile::NamedTempFile| file.path().to_str().unwrap().to_owned();
        for (arguments, said) in [
            (vec!["--llama-key=two words".to_owned()], "STILE_LLAMA_KEY:"),
            (
                vec![format!("--llama-key=sch\u{fc}ssel")],
                "STILE_LLAMA_KEY:",
            ),
            (
                vec![format!("--llama-key-file={}", path(&bad))],
                "STILE_LLAMA_KEY_FILE:",
            ),
            (
                vec![format!("--llama-key-file={}", path(&empty))],
                "STILE_LLAMA_KEY_FILE:",
            ),
            (
                vec![
                    format!("--llama-key-file={}", path(&good)),
                    format!("--llama-key={KEY}"),
                ],
                "both set",
            ),
        ] {
            let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
            let error = source(&arguments).get().unwrap_err().to_string();
            assert!(error.contains(said), "{error}");
            assert!(!error.contains(KEY) && !error.contains("two words"));
        }
    }
}
