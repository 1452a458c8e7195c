use proptest::prelude::*;
use serde_json::{Value, json};
use tokio::time::{advance, sleep_until};

use super::*;

fn text(text: &str) -> TokenEvent {
    TokenEvent {
        text: text.to_owned(),
        ..TokenEvent::default()
    }
}

fn calls(deltas: &Value) -> TokenEvent {
    TokenEvent {
        tool_calls: serde_json::from_value(deltas.clone()).unwrap(),
        ..TokenEvent::default()
    }
}

fn joined(pieces: impl IntoIterator<Item = TokenEvent>) -> TokenEvent {
    let mut pieces = pieces.into_iter();
    let mut coalesced = pieces.next().unwrap();
    pieces.for_each(|piece| coalesced.join(piece));
    coalesced
}

/// Thoughts are joined apart from the text.
#[test]
fn thoughts_are_joined() {
    let thought = |text: &str| TokenEvent {
        reasoning_content: Some(text.to_owned()),
        ..TokenEvent::default()
    };
    let both = joined([thought("a"), thought("b"), text("c")]);
    assert_eq!(both.reasoning_content.as_deref(), Some("ab"));
    assert_eq!(both.text, "c");
}

/// The first piece is sent at once; what a fast model writes after it waits until 20 ms have
/// passed.
#[tokio::test(start_paused = true)]
async fn a_fast_models_pieces_are_coalesced() {
    let mut pieces = Coalescer::default();
    assert_eq!(pieces.due(), None);
    assert_eq!(pieces.push(text("a"), Instant::now()), Some(text("a")));
    let began = Instant::now();
    for piece in ["b", "c", "d"] {
        advance(Duration::from_millis(5)).await;
        assert_eq!(pieces.push(text(piece), Instant::now()), None);
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
    let mut pieces = Coalescer::default();
    for piece in ["a", "b", "c"] {
        assert_eq!(pieces.push(text(piece), Instant::now()), Some(text(piece)));
        advance(APART).await;
    }
}

/// A piece that comes when the time is up is sent with what is coalesced, without a timer.
#[tokio::test(start_paused = true)]
async fn a_piece_that_comes_when_it_is_time_takes_the_others_along() {
    let mut pieces = Coalescer::default();
    pieces.push(text("a"), Instant::now());
    assert_eq!(pieces.push(text("b"), Instant::now()), None);
    advance(APART).await;
    assert_eq!(pieces.push(text("c"), Instant::now()), Some(text("bc")));
}

/// Deltas stay in their order; one that only goes on with the last one's arguments becomes part of
/// it.
#[test]
fn deltas_of_calls_are_joined() {
    let first = json!({"index": 0, "id": "c1", "type": "function",
                       "function": {"name": "weather", "arguments": ""}});
    let more = |index: u32, text: &str| json!({"index": index, "function": {"arguments": text}});
    let second = json!({"index": 1, "id": "c2", "function": {"name": "time", "arguments": ""}});
    let coalesced = joined([
        calls(&json!([first])),
        calls(&json!([more(0, "{\"a\""), more(0, ":1}")])),
        text("so"),
        calls(&json!([second])),
        calls(&json!([more(1, "{}"), more(0, " ")])),
    ]);
    assert_eq!(coalesced.text, "so");
    assert_eq!(
        json!(coalesced.tool_calls),
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
    let of = |logprobs: Value| TokenEvent {
        logprobs: serde_json::from_value(logprobs).unwrap(),
        ..TokenEvent::default()
    };
    let coalesced = joined([
        of(json!({"content": [{"token": "a"}], "refusal": null})),
        of(json!(null)),
        of(json!({"content": [{"token": "b"}], "refusal": null})),
        of(json!({"content": null})),
    ]);
    assert_eq!(
        json!(coalesced.logprobs),
        json!({"content": [{"token": "a"}, {"token": "b"}], "refusal": null})
    );
}

proptest! {
    /// However fast the model is: nothing is lost or out of order, no two messages are closer than
    /// 20 ms, and no piece waits longer than that.
    #[test]
    fn every_piece_is_sent_in_time(written in prop::collection::vec((0_u64..60, "[a-z]{0,3}"), 1..40)) {
        let mut pieces = Coalescer::default();
        let begin = Instant::now();
        let (mut now, mut sent, mut waiting) = (begin, Vec::new(), Vec::new());
        for (pause, word) in &written {
            let next = now + Duration::from_millis(*pause);
            if let Some(due) = pieces.due().filter(|due| *due <= next) {
                sent.push((due, pieces.take(due).unwrap().text));
                prop_assert!(waiting.drain(..).all(|since| due - since <= APART));
            }
            now = next;
            waiting.push(now);
            if let Some(piece) = pieces.push(text(word), now) {
                sent.push((now, piece.text));
                prop_assert!(waiting.drain(..).all(|since| now - since <= APART));
            }
        }
        prop_assert!(sent.is_sorted_by(|(one, _), (other, _)| *other - *one >= APART));
        let rest = pieces.take(now).map(|piece| piece.text).unwrap_or_default();
        let all: String = sent.into_iter().map(|(_, text)| text).chain([rest]).collect();
        let expected: String = written.into_iter().map(|(_, word)| word).collect();
        prop_assert_eq!(all, expected);
    }
}
