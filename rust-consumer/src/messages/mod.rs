//! The bodies of Stile's messages, version 1, as in `contracts/src/stile_contracts/messages/`.
//!
//! Readers ignore fields they do not know; writers write these and no others. The fixtures in
//! `contracts/fixtures/v1` hold this module and the Python one together (`tests/fixtures.rs`).

mod approved;
mod error;
mod event;
mod heartbeat;
mod reply;
mod turn;

use std::ops::RangeInclusive;

use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;

pub use approved::{ApprovedChat, Output, Sampling};
pub use error::{ErrorBody, ErrorReply, Stage};
pub use event::{Accepted, Started, Token};
pub use heartbeat::{Heartbeat, LaneState, Part, QueueState};
pub use reply::{FinishReason, Refusal, Reply, Timings, Usage};
pub use turn::{FunctionCall, Role, ToolCall, ToolType, Turn};

use crate::error::InvalidMessage;
use crate::object::Object;

/// A body that is read with every check that its schema asks for.
pub trait Message: Serialize + DeserializeOwned {
    /// Checks what the types do not say.
    ///
    /// # Errors
    /// [`InvalidMessage::Value`] names the field.
    fn check(&self) -> Result<(), InvalidMessage> {
        Ok(())
    }

    /// Reads a JSON body.
    ///
    /// # Errors
    /// [`InvalidMessage`] where it is not JSON, not of this shape, or holds a value out of range.
    fn read(body: &[u8]) -> Result<Self, InvalidMessage> {
        let Object(message) = serde_json::from_slice::<Object<Self>>(body)?;
        message.check()?;
        Ok(message)
    }

    /// Writes the JSON body.
    ///
    /// # Errors
    /// [`InvalidMessage::Json`]; the messages of this module have nothing in them that JSON lacks.
    fn write(&self) -> Result<Bytes, InvalidMessage> {
        Ok(serde_json::to_vec(self)?.into())
    }
}

fn within<T: PartialOrd>(
    field: &'static str,
    value: Option<T>,
    range: RangeInclusive<T>,
) -> Result<(), InvalidMessage> {
    valid(field, value.is_none_or(|value| range.contains(&value)))
}

fn valid(field: &'static str, holds: bool) -> Result<(), InvalidMessage> {
    if holds {
        Ok(())
    } else {
        Err(InvalidMessage::Value(field))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An array of a struct's values is not the struct, at any depth.
    #[test]
    fn arrays_are_not_objects() {
        for body in [
            r#"[[{"role": "user", "content": "x"}]]"#,
            r#"{"messages": [["user", "x"]]}"#,
            r#"{"messages": [{"role": "user", "content": "x"}], "sampling": []}"#,
        ] {
            assert!(ApprovedChat::read(body.as_bytes()).is_err(), "{body}");
        }
        let reply =
            r#"{"response": "", "id": "00000000-0000-0000-0000-000000000000", "usage": [1, 2, 3]}"#;
        assert!(Reply::read(reply.as_bytes()).is_err());
        assert!(ErrorReply::read(br#"{"error": ["internal", "x"]}"#).is_err());
    }

    /// Each limit of the schema is one here: the value at it is taken, the one past it is not.
    #[test]
    fn sampling_is_held_to_its_limits() {
        for (field, taken, refused) in [
            ("temperature", "5", "5.1"),
            ("top_k", "1000000", "1000001"),
            ("top_p", "1", "1.1"),
            ("min_p", "0", "-0.1"),
            ("typical_p", "1.0", "1.1"),
            ("repeat_penalty", "10", "11"),
            ("repeat_last_n", "-1", "-2"),
            ("presence_penalty", "-2", "-2.1"),
            ("frequency_penalty", "2", "2.1"),
            ("seed", "4294967295", "4294967296"),
            ("max_tokens", "1", "0"),
            ("stop", r#"["x"]"#, r#"[""]"#),
            ("top_k", "null", "1.5"),
        ] {
            let read = |value: &str| {
                let body = format!(
                    r#"{{"messages": [{{"role": "user", "content": "x"}}], "sampling": {{"{field}": {value}}}}}"#
                );
                ApprovedChat::read(body.as_bytes())
            };
            assert!(read(taken).is_ok(), "{field} {taken}");
            assert!(read(refused).is_err(), "{field} {refused}");
        }
    }
}
