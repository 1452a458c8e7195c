//! The pieces of an answer, gathered so that a fast model does not make a message of each. Pure: no network.

use std::time::Duration;

use serde_json::map::Entry;
use serde_json::{Map, Value};
use tokio::time::Instant;

use crate::messages::Token;

/// Two messages are at least so far apart: 50 a second look like writing, and cost little.
const APART: Duration = Duration::from_millis(20);

/// The pieces that were written and not told yet.
///
/// The first piece is told at once, and so is each of a model that takes longer than [`APART`] for one.
#[derive(Debug, Default)]
pub struct Pieces {
    gathered: Option<Token>,
    told: Option<Instant>,
}

impl Pieces {
    /// Takes up what the model wrote `now`; returns what is to be told now, if anything is.
    pub fn add(&mut self, piece: Token, now: Instant) -> Option<Token> {
        match &mut self.gathered {
            Some(gathered) => join(gathered, piece),
            none => *none = Some(piece),
        }
        if self.due().is_some_and(|due| now < due) {
            return None;
        }
        self.take(now)
    }

    /// When what is gathered is to be told; `None` where nothing is gathered.
    #[must_use]
    pub fn due(&self) -> Option<Instant> {
        self.gathered.as_ref().and(self.told).map(|at| at + APART)
    }

    /// Returns what is gathered; it counts as told `now`.
    pub fn take(&mut self, now: Instant) -> Option<Token> {
        let gathered = self.gathered.take()?;
        self.told = Some(now);
        Some(gathered)
    }
}

/// Adds `piece` to those before it: readers of the two and of the one come to the same answer.
fn join(gathered: &mut Token, piece: Token) {
    gathered.text.push_str(&piece.text);
    for delta in piece.tool_calls.into_iter().flatten() {
        join_call(gathered.tool_calls.get_or_insert_default(), delta);
    }
    for (name, value) in piece.logprobs.into_iter().flatten() {
        match gathered.logprobs.get_or_insert_default().entry(name) {
            Entry::Vacant(entry) => drop(entry.insert(value)),
            Entry::Occupied(mut entry) => match (entry.get_mut(), value) {
                (_, Value::Null) => {}
                (Value::Array(tokens), Value::Array(more)) => tokens.extend(more),
                (known, other) => *known = other,
            },
        }
    }
}

/// A delta that only goes on with the last one's arguments becomes part of it: some clients take two deltas
/// of one call in one message for two calls.
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

/// The arguments of a delta that says nothing else but whose they are.
fn arguments_alone(delta: &Map<String, Value>) -> Option<&str> {
    let function = delta.get("function")?.as_object()?;
    let alone = delta.len() == 2 && delta.contains_key("index") && function.len() == 1;
    alone.then(|| function.get("arguments")?.as_str()).flatten()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;
    use tokio::time::{advance, sleep_until};

    use super::*;

    fn text(text: &str) -> Token {
        Token {
            text: text.to_owned(),
            ..Token::default()
        }
    }

    fn calls(deltas: &Value) -> Token {
        Token {
            tool_calls: serde_json::from_value(deltas.clone()).unwrap(),
            ..Token::default()
        }
    }

    fn joined(pieces: impl IntoIterator<Item = Token>) -> Token {
        let mut pieces = pieces.into_iter();
        let mut gathered = pieces.next().unwrap();
        pieces.for_each(|piece| join(&mut gathered, piece));
        gathered
    }

    /// The first piece goes at once; what a fast model writes after it waits until 20 ms have passed.
    #[tokio::test(start_paused = true)]
    async fn a_fast_models_pieces_are_gathered() {
        let mut pieces = Pieces::default();
        assert_eq!(pieces.due(), None);
        assert_eq!(pieces.add(text("a"), Instant::now()), Some(text("a")));
        let began = Instant::now();
        for piece in ["b", "c", "d"] {
            advance(Duration::from_millis(5)).await;
            assert_eq!(pieces.add(text(piece), Instant::now()), None);
        }
        sleep_until(pieces.due().unwrap()).await;
        assert_eq!(began.elapsed(), APART);
        assert_eq!(pieces.take(Instant::now()), Some(text("bcd")));
        assert_eq!(pieces.due(), None);
        assert_eq!(pieces.take(Instant::now()), None);
    }

    /// A model that takes longer for a piece than messages are apart is not held up at all.
    #[tokio::test(start_paused = true)]
    async fn a_slow_models_pieces_go_at_once() {
        let mut pieces = Pieces::default();
        for piece in ["a", "b", "c"] {
            assert_eq!(pieces.add(text(piece), Instant::now()), Some(text(piece)));
            advance(APART).await;
        }
    }

    /// A piece that comes when the time is up goes with what is gathered: no timer is needed to be heard.
    #[tokio::test(start_paused = true)]
    async fn a_piece_that_comes_when_it_is_time_takes_the_others_along() {
        let mut pieces = Pieces::default();
        pieces.add(text("a"), Instant::now());
        assert_eq!(pieces.add(text("b"), Instant::now()), None);
        advance(APART).await;
        assert_eq!(pieces.add(text("c"), Instant::now()), Some(text("bc")));
    }

    /// Deltas stay in their order; one that only goes on with the last one's arguments becomes part of it.
    #[test]
    fn deltas_of_calls_are_joined() {
        let first = json!({"index": 0, "id": "c1", "type": "function",
                           "function": {"name": "weather", "arguments": ""}});
        let more =
            |index: u32, text: &str| json!({"index": index, "function": {"arguments": text}});
        let second = json!({"index": 1, "id": "c2", "function": {"name": "time", "arguments": ""}});
        let gathered = joined([
            calls(&json!([first])),
            calls(&json!([more(0, "{\"a\""), more(0, ":1}")])),
            text("so"),
            calls(&json!([second])),
            calls(&json!([more(1, "{}"), more(0, " ")])),
        ]);
        assert_eq!(gathered.text, "so");
        assert_eq!(
            json!(gathered.tool_calls),
            json!([
                {"index": 0, "id": "c1", "type": "function",
                 "function": {"name": "weather", "arguments": "{\"a\":1}"}},
                {"index": 1, "id": "c2", "function": {"name": "time", "arguments": "{}"}},
                {"index": 0, "function": {"arguments": " "}},
            ])
        );
    }

    /// Logprobs stay in their order, with whatever else stands beside them.
    #[test]
    fn logprobs_are_joined() {
        let of = |logprobs: Value| Token {
            logprobs: serde_json::from_value(logprobs).unwrap(),
            ..Token::default()
        };
        let gathered = joined([
            of(json!({"content": [{"token": "a"}], "refusal": null})),
            of(json!(null)),
            of(json!({"content": [{"token": "b"}], "refusal": null})),
            of(json!({"content": null})),
        ]);
        assert_eq!(
            json!(gathered.logprobs),
            json!({"content": [{"token": "a"}, {"token": "b"}], "refusal": null})
        );
    }

    proptest! {
        /// However fast the model is: nothing is lost or out of order, no two messages are closer than 20 ms,
        /// and no piece waits longer than that.
        #[test]
        fn every_piece_is_told_in_time(written in prop::collection::vec((0_u64..60, "[a-z]{0,3}"), 1..40)) {
            let mut pieces = Pieces::default();
            let begin = Instant::now();
            let (mut now, mut told, mut waiting) = (begin, Vec::new(), Vec::new());
            for (pause, word) in &written {
                let next = now + Duration::from_millis(*pause);
                if let Some(due) = pieces.due().filter(|due| *due <= next) {
                    told.push((due, pieces.take(due).unwrap().text));
                    prop_assert!(waiting.drain(..).all(|since| due - since <= APART));
                }
                now = next;
                waiting.push(now);
                if let Some(piece) = pieces.add(text(word), now) {
                    told.push((now, piece.text));
                    prop_assert!(waiting.drain(..).all(|since| now - since <= APART));
                }
            }
            prop_assert!(told.is_sorted_by(|(one, _), (other, _)| *other - *one >= APART));
            let rest = pieces.take(now).map(|piece| piece.text).unwrap_or_default();
            let all: String = told.into_iter().map(|(_, text)| text).chain([rest]).collect();
            let expected: String = written.into_iter().map(|(_, word)| word).collect();
            prop_assert_eq!(all, expected);
        }
    }
}
