//! The pieces of an answer, coalesced: a fast model does not make a message of each. Pure: no
//! network.

use std::time::Duration;

use serde_json::map::Entry;
use serde_json::{Map, Value};
use tokio::time::Instant;

use crate::contract::messages::TokenEvent;

/// The least time between two messages: 50 a second look like writing, and cost little.
const APART: Duration = Duration::from_millis(20);

/// The pieces that were written and not sent yet.
///
/// The first piece is sent at once, and so is each of a model that takes longer than [`APART`] for
/// one.
#[derive(Debug, Default)]
pub struct Coalescer {
    coalesced: Option<TokenEvent>,
    sent: Option<Instant>,
}

impl Coalescer {
    /// Takes a piece that comes `now`; returns what is to be sent now, if anything is.
    pub fn push(&mut self, piece: TokenEvent, now: Instant) -> Option<TokenEvent> {
        match &mut self.coalesced {
            Some(coalesced) => join(coalesced, piece),
            none => *none = Some(piece),
        }
        if self.due().is_some_and(|due| now < due) {
            return None;
        }
        self.take(now)
    }

    /// When the coalesced pieces are to be sent; `None` if there are none.
    #[must_use]
    pub fn due(&self) -> Option<Instant> {
        self.coalesced.as_ref().and(self.sent).map(|at| at + APART)
    }

    /// Returns the coalesced pieces; they count as sent `now`.
    pub fn take(&mut self, now: Instant) -> Option<TokenEvent> {
        let coalesced = self.coalesced.take()?;
        self.sent = Some(now);
        Some(coalesced)
    }
}

/// Adds `piece` to those before it: readers of the two and of the one come to the same answer.
fn join(coalesced: &mut TokenEvent, piece: TokenEvent) {
    coalesced.text.push_str(&piece.text);
    if let Some(more) = piece.reasoning_content {
        let reasoning = coalesced.reasoning_content.get_or_insert_default();
        reasoning.push_str(&more);
    }
    for delta in piece.tool_calls.into_iter().flatten() {
        join_call(coalesced.tool_calls.get_or_insert_default(), delta);
    }
    for (name, value) in piece.logprobs.into_iter().flatten() {
        match coalesced.logprobs.get_or_insert_default().entry(name) {
            Entry::Vacant(entry) => drop(entry.insert(value)),
            Entry::Occupied(mut entry) => match (entry.get_mut(), value) {
                (_, Value::Null) => {}
                (Value::Array(tokens), Value::Array(more)) => tokens.extend(more),
                (known, other) => *known = other,
            },
        }
    }
}

/// A delta that only continues the last one's arguments becomes part of it: some clients take two
/// deltas of one call in one message for two calls.
fn join_call(calls: &mut Vec<Map<String, Value>>, delta: Map<String, Value>) {
    if let Some(more) = arguments_alone(&delta)
        && let Some(last) = calls.last_mut()
        && last.get("index") == delta.get("index")
        && let Some(Value::String(arguments)) = last
            .get_mut("function")
            .and_then(|function| function.get_mut("arguments"))
    {
        arguments.push_str(more);
        return;
    }
    calls.push(delta);
}

/// The arguments of a delta that has nothing else but its index.
fn arguments_alone(delta: &Map<String, Value>) -> Option<&str> {
    let function = delta.get("function")?.as_object()?;
    let alone = delta.len() == 2 && delta.contains_key("index") && function.len() == 1;
    alone.then(|| function.get("arguments")?.as_str()).flatten()
}

#[cfg(test)]
mod tests;
