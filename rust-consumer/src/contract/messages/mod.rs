//! The bodies of Stile's messages, version 1, as in `contracts/src/stile_contracts/messages/`.
//!
//! Readers ignore fields they do not know; writers write these and no others. The fixtures in
//! `contracts/fixtures/v1` hold this module and the Python one together (`tests/fixtures.rs`).

mod answer_check;
mod approved;
mod error;
mod heartbeat;
mod log_record;
mod reply;

use std::ops::RangeInclusive;

use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;

pub use answer_check::{AnswerCheck, AnswerKind, AnswerPart, AnswerVerdict};
pub use approved::{ApprovedChat, ChatMessage, FunctionCall, Role, ToolCall, ToolType};
pub use error::{ErrorBody, ErrorReply, Stage};
pub use heartbeat::{Heartbeat, LaneState, Part, QueueState};
pub use log_record::LogRecord;
pub use reply::{
    AcceptedEvent, FinishReason, Refusal, Reply, StartedEvent, Timings, TokenEvent, Usage,
};

use crate::error::InvalidMessage;

/// A body, read and written as its schema says.
pub trait Message: Serialize + DeserializeOwned {
    /// Checks what the types do not express.
    ///
    /// # Errors
    /// [`InvalidMessage::Value`] names the field.
    fn check(&self) -> Result<(), InvalidMessage> {
        Ok(())
    }

    /// Reads a JSON body.
    ///
    /// # Errors
    /// [`InvalidMessage`]: it is no JSON object, not of this shape, or holds a value out of range.
    fn read(body: &[u8]) -> Result<Self, InvalidMessage> {
        // serde would read an array of the fields' values as well.
        valid("the body", body.trim_ascii_start().starts_with(b"{"))?;
        let message: Self = serde_json::from_slice(body)?;
        message.check()?;
        Ok(message)
    }

    /// Writes the JSON body.
    ///
    /// # Errors
    /// [`InvalidMessage::Json`], which none of these messages causes.
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

    /// An array of the fields' values is no message.
    #[test]
    fn arrays_are_not_objects() {
        for body in [
            r#"[[{"role": "user", "content": "x"}]]"#,
            r#" [[{"role": "user", "content": "x"}], {}, {}, null]"#,
            r#"{"messages": [{"role": "user", "content": "x"}], "sampling": []}"#,
            r#"{"messages": [{"role": "user", "content": "x"}], "output": []}"#,
        ] {
            assert!(ApprovedChat::read(body.as_bytes()).is_err(), "{body}");
        }
        assert!(ErrorReply::read(br#"[["internal", "x"]]"#).is_err());
    }
}
