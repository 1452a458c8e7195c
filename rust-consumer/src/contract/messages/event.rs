//! The events of a request before its end.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use uuid::Uuid;

use super::{Message, within};
use crate::error::InvalidMessage;

/// The request is stored in CHAT. The filter sends this; here it is read in tests alone.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AcceptedEvent {
    /// The request's id.
    pub id: Uuid,
    /// How many requests are answered before it, the running ones among them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub position: Option<u64>,
    /// In how many seconds it will start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub estimate_seconds: Option<f64>,
}

impl Message for AcceptedEvent {
    fn check(&self) -> Result<(), InvalidMessage> {
        within("estimate_seconds", self.estimate_seconds, 0.0..=f64::MAX)
    }
}

/// A worker has taken the request up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StartedEvent {
    /// The request's id.
    pub id: Uuid,
    /// The model's short name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
}

impl Message for StartedEvent {}

/// A piece of the answer.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct TokenEvent {
    /// The text; empty if the piece consists of calls alone.
    pub text: String,
    /// Deltas of calls, in `OpenAI`'s shape.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool_calls: Option<Vec<Map<String, Value>>>,
    /// Those of this piece, in `OpenAI`'s shape.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub logprobs: Option<Map<String, Value>>,
}

impl Message for TokenEvent {}
