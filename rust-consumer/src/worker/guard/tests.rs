use proptest::prelude::*;
use serde_json::json;

use super::window::{Asked, Window};
use super::*;
use crate::contract::messages::{AnswerKind, AnswerPart};

/// The word that no answer may hold; a verdict is made as the filter makes it.
const BANNED: &str = "darn";

fn text(text: &str) -> TokenEvent {
    TokenEvent {
        text: text.to_owned(),
        ..TokenEvent::default()
    }
}

fn call(delta: &Value) -> TokenEvent {
    TokenEvent {
        tool_calls: serde_json::from_value(json!([delta])).unwrap(),
        ..TokenEvent::default()
    }
}

/// How much of a part may be sent, or `None` if it is refused.
fn judge(part: &AnswerPart) -> Option<usize> {
    if part.text.contains(BANNED) {
        return None;
    }
    if part.closed {
        return Some(part.text.chars().count());
    }
    let begun = (1..BANNED.len()).rev();
    let begun = begun.filter(|length| part.text.ends_with(BANNED.get(..*length).unwrap()));
    Some(part.text.chars().count() - begun.max().unwrap_or(0))
}

/// Asks about a window and releases; `None` if it is refused.
fn checked(window: &mut Window) -> Option<Vec<TokenEvent>> {
    let Some((parts, asked)) = window.question() else {
        return Some(Vec::new());
    };
    let release: Option<Vec<_>> = parts.iter().map(judge).collect();
    Some(window.release(&asked, &release?).unwrap())
}

fn sent(pieces: &[TokenEvent]) -> String {
    pieces.iter().map(|piece| piece.text.as_str()).collect()
}

proptest! {
    /// However an answer is cut, and whenever checks are made: what is sent has no hit, and it is
    /// all if there is none.
    #[test]
    fn what_is_sent_has_no_hit(
        words in prop::collection::vec("darn|d|da|rn|ü|🙂| |[a-e]{1,9}", 0..60),
        every in 1_usize..5,
    ) {
        let whole = words.concat();
        let mut window = Window::default();
        let mut released = Vec::new();
        let mut refused = false;
        for (number, word) in words.iter().enumerate() {
            window.push(text(word));
            if number % every == 0 {
                let Some(pieces) = checked(&mut window) else {
                    refused = true;
                    break;
                };
                released.extend(pieces);
            }
        }
        if !refused {
            window.close();
            if let Some(pieces) = checked(&mut window) {
                released.extend(pieces);
            } else {
                refused = true;
            }
        }
        let sent = sent(&released);
        prop_assert!(!sent.contains(BANNED));
        prop_assert_eq!(refused, whole.contains(BANNED));
        prop_assert!(whole.starts_with(&sent));
        if !refused {
            prop_assert!(window.is_empty());
            prop_assert_eq!(sent, whole);
        }
    }

    /// A verdict of any numbers releases nothing that was not asked about, and takes nothing back.
    #[test]
    fn no_verdict_releases_too_much(numbers in prop::collection::vec(0_usize..40, 0..3)) {
        let mut window = Window::default();
        window.push(text("größer 🙂"));
        let (parts, asked) = window.question().unwrap();
        window.push(text("not asked"));
        let known = parts.first().unwrap().text.chars().count();
        match window.release(&asked, &numbers) {
            Some(pieces) => {
                let number = *numbers.first().unwrap();
                prop_assert!(numbers.len() == 1 && number <= known);
                prop_assert_eq!(sent(&pieces).chars().count(), number);
            }
            None => prop_assert!(numbers.len() != 1 || *numbers.first().unwrap() > known),
        }
    }
}

/// A long answer costs as much for each piece as a short one: what goes along is bounded, and says
/// where it is.
#[test]
fn the_context_is_bounded() {
    let mut window = Window::default();
    for number in 0..20_000 {
        window.push(text("wörd "));
        let (parts, asked) = window.question().unwrap();
        let part = parts.first().unwrap();
        assert!(part.text.chars().count() <= 1100, "{number}");
        assert_eq!(part.offset + part.text.chars().count(), (number + 1) * 5);
        assert_eq!(part.offset + part.released, number * 5);
        let release = part.text.chars().count();
        assert_eq!(sent(&window.release(&asked, &[release]).unwrap()), "wörd ");
    }
}

/// Names and arguments of calls are texts of their own; a delta is sent once all of it is released,
/// and what was written before another text counts as ended.
#[test]
fn calls_are_checked() {
    let mut window = Window::default();
    window.push(text("So d"));
    window.push(call(
        &json!({"index": 0, "id": "c1", "type": "function", "function": {"name": "say", "arguments": ""}}),
    ));
    window.push(call(
        &json!({"index": 0, "function": {"arguments": "{\"a\":\"d"}}),
    ));
    let (parts, asked) = window.question().unwrap();
    let seen: Vec<_> = parts
        .iter()
        .map(|part| (part.kind, part.text.as_str(), part.closed))
        .collect();
    assert_eq!(
        seen,
        [
            (AnswerKind::Content, "So d", true),
            (AnswerKind::Call, "say\n{\"a\":\"d", false)
        ]
    );
    let released = window.release(&asked, &[4, 10]).unwrap();
    assert_eq!(released.len(), 2);
    assert_eq!(sent(&released), "So d");
    window.push(call(
        &json!({"index": 0, "function": {"arguments": "arn\"}"}}),
    ));
    assert_eq!(checked(&mut window), None);
}

/// A field with an unknown name hides no text.
#[test]
fn every_text_of_a_delta_is_checked() {
    let mut window = Window::default();
    window.push(call(
        &json!({"index": 1, "function": {"other": {"deep": "darn"}}}),
    ));
    assert_eq!(checked(&mut window), None);
}

/// What the model thinks is checked as well, and waits until it is.
#[test]
fn thoughts_are_checked() {
    let thought = |text: &str| TokenEvent {
        reasoning_content: Some(text.to_owned()),
        ..TokenEvent::default()
    };
    let mut window = Window::default();
    window.push(thought("a da"));
    assert_eq!(checked(&mut window), Some(Vec::new()));
    window.push(thought("y. "));
    assert_eq!(
        checked(&mut window),
        Some(vec![thought("a da"), thought("y. ")])
    );
    window.push(thought("darn"));
    assert_eq!(checked(&mut window), None);
}

/// Logprobs wait with their text, and keep what the model has written alone.
#[test]
fn alternatives_are_left_out() {
    let mut logprobs = serde_json::from_value(json!({"content": [
        {"token": "a", "top_logprobs": [{"token": "a"}, {"token": "darn"}]},
        {"token": "b"},
    ]}))
    .unwrap();
    without_alternatives(Some(&mut logprobs));
    assert_eq!(
        json!(logprobs),
        json!({"content": [{"token": "a", "top_logprobs": [{"token": "a"}]}, {"token": "b"}]})
    );
    let mut window = Window::default();
    let piece = TokenEvent {
        text: "a da".to_owned(),
        logprobs: Some(logprobs),
        ..TokenEvent::default()
    };
    window.push(piece.clone());
    assert_eq!(checked(&mut window), Some(Vec::new()));
    window.push(text("y"));
    assert_eq!(checked(&mut window), Some(vec![piece, text("y")]));
}

/// Tokens that are not in the text are texts too: they wait, and are checked together.
#[test]
fn tokens_of_logprobs_are_checked() {
    let token = |text: &str, token: &str| TokenEvent {
        text: text.to_owned(),
        logprobs: serde_json::from_value(json!({"content": [{"token": token}]})).unwrap(),
        ..TokenEvent::default()
    };
    let mut window = Window::default();
    window.push(token("", " a"));
    assert_eq!(checked(&mut window), Some(vec![token("", " a")]));
    window.push(token("so ", " da"));
    assert_eq!(checked(&mut window), Some(Vec::new()));
    window.push(token("", "rn"));
    assert_eq!(checked(&mut window), None);
}

/// A word is unfinished although the piece has tokens as well.
#[test]
fn a_text_with_tokens_goes_on() {
    let mut window = Window::default();
    for word in ["a da", "rn"] {
        let mut piece = text(word);
        piece.logprobs = serde_json::from_value(json!({"content": [{"token": word}]})).unwrap();
        window.push(piece);
    }
    let (parts, _) = window.question().unwrap();
    assert_eq!(parts.len(), 2);
    assert!(
        parts
            .iter()
            .all(|part| !part.closed && part.text == "a darn")
    );
}

/// A piece without a text needs no check, and keeps its place.
#[test]
fn a_piece_without_text_keeps_its_place() {
    let mut window = Window::default();
    window.push(text("a d"));
    window.push(call(&json!({"index": 0, "function": {"arguments": ""}})));
    assert_eq!(checked(&mut window), Some(vec![text("a ")]));
    assert_eq!(window.take(), Vec::new());
    window.close();
    let rest = checked(&mut window).unwrap();
    assert_eq!((rest.len(), &*sent(&rest)), (2, "d"));
    window.push(call(&json!({"index": 0, "function": {"arguments": ""}})));
    assert!(window.question().is_none());
    assert_eq!(window.take().len(), 1);
    assert!(window.is_empty());
}

/// A verdict about other texts releases nothing.
#[test]
fn a_verdict_has_as_many_numbers_as_the_check_has_parts() {
    let mut window = Window::default();
    window.push(text("a"));
    let asked: Asked = window.question().unwrap().1;
    assert!(window.release(&asked, &[]).is_none());
    assert!(window.release(&asked, &[1, 1]).is_none());
}
