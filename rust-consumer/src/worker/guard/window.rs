//! The pieces of an answer that wait, and the texts that they make. Pure: no network.

use std::collections::VecDeque;

use serde_json::{Map, Value};

use crate::contract::messages::{AnswerKind, AnswerPart, TokenEvent};

/// Characters before the waiting text that a check contains at least, if there are so many: a
/// sentence of 300 on either side of a word (the filter's `language.py`), and some more.
const CONTEXT: usize = 512;

/// Which text of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Key {
    Content,
    Reasoning,
    /// By its index.
    Call(u64),
    /// The tokens that the logprobs name. They may be others than the text has: a reader drops the
    /// signs of a call, and the text that ends the answer.
    Tokens,
}

impl Key {
    fn kind(self) -> AnswerKind {
        match self {
            Self::Content | Self::Tokens => AnswerKind::Content,
            Self::Reasoning => AnswerKind::Reasoning,
            Self::Call(_) => AnswerKind::Call,
        }
    }
}

/// One text of the answer. All counts are characters from its beginning.
#[derive(Debug)]
struct Text {
    key: Key,
    /// What is left of it.
    rest: String,
    /// What was dropped before `rest`.
    dropped: usize,
    /// What is there.
    chars: usize,
    /// What may be sent.
    released: usize,
}

/// A piece that waits.
#[derive(Debug)]
struct Held {
    piece: TokenEvent,
    /// The texts (by their index) that it is a part of, and how far each must be released.
    ends: Vec<(usize, usize)>,
}

/// The texts that a check asked about: their indexes, and how long they were.
#[derive(Debug)]
pub struct Asked(Vec<(usize, usize)>);

/// The pieces of an answer that wait.
#[derive(Debug, Default)]
pub struct Window {
    texts: Vec<Text>,
    held: VecDeque<Held>,
    /// The texts that were written last: the others have probably ended.
    current: Vec<usize>,
    closed: bool,
    /// Whether there is something that no check has asked about.
    is_new: bool,
}

impl Window {
    /// Takes a piece.
    pub fn push(&mut self, piece: TokenEvent) {
        let mut ends = Vec::new();
        for (key, added) in parts(&piece) {
            let index = self.text(key);
            if let Some(text) = self.texts.get_mut(index) {
                text.rest.push_str(&added);
                text.chars += added.chars().count();
                ends.push((index, text.chars));
            }
        }
        if !ends.is_empty() {
            self.current = ends.iter().map(|(index, _)| *index).collect();
        }
        self.held.push_back(Held { piece, ends });
        self.is_new = true;
    }

    /// Nothing follows.
    pub fn close(&mut self) {
        self.closed = true;
        self.is_new = true;
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.held.is_empty()
    }

    /// Returns what to ask now; `None` if nothing new has come since the last question, or nothing
    /// waits.
    pub fn question(&mut self) -> Option<(Vec<AnswerPart>, Asked)> {
        if !std::mem::take(&mut self.is_new) {
            return None;
        }
        let waiting = self.texts.iter().enumerate();
        let waiting: Vec<_> = waiting
            .filter(|(_, text)| text.released < text.chars)
            .collect();
        let parts = waiting.iter().map(|(index, text)| AnswerPart {
            kind: text.key.kind(),
            text: text.rest.clone(),
            offset: text.dropped,
            released: text.released - text.dropped,
            closed: self.closed || !self.current.contains(index),
        });
        let parts: Vec<_> = parts.collect();
        let asked = Asked(
            waiting
                .iter()
                .map(|(index, text)| (*index, text.chars))
                .collect(),
        );
        (!parts.is_empty()).then_some((parts, asked))
    }

    /// Takes a verdict: for each part of the question, how many of its characters may be sent.
    /// Returns what may be sent now; `None` if the verdict does not fit the question.
    pub fn release(&mut self, asked: &Asked, release: &[usize]) -> Option<Vec<TokenEvent>> {
        if asked.0.len() != release.len() {
            return None;
        }
        for ((index, chars), release) in asked.0.iter().zip(release) {
            let text = self.texts.get_mut(*index)?;
            let end = text.dropped.checked_add(*release)?;
            if !(text.released..=*chars).contains(&end) {
                return None;
            }
            text.released = end;
            text.forget();
        }
        Some(self.take())
    }

    /// Takes out what may be sent, in its order. A piece without text waits only for the pieces
    /// before it.
    pub fn take(&mut self) -> Vec<TokenEvent> {
        let mut taken = Vec::new();
        while let Some(held) = self.held.front_mut() {
            let missing = |&(index, end): &(usize, usize)| {
                let released = self.texts.get(index).map_or(0, |text| text.released);
                end.saturating_sub(released)
            };
            let missing: usize = held.ends.iter().map(missing).sum();
            if missing == 0 {
                taken.extend(self.held.pop_front().map(|held| held.piece));
                continue;
            }
            let is_text = held.piece.tool_calls.is_none()
                && held.piece.logprobs.is_none()
                && held.piece.reasoning_content.is_none();
            let kept = held.piece.text.char_indices().rev().nth(missing - 1);
            if let Some((at, _)) = kept.filter(|(at, _)| is_text && *at > 0) {
                let rest = held.piece.text.split_off(at);
                taken.push(std::mem::take(&mut held.piece));
                held.piece.text = rest;
            }
            break;
        }
        taken
    }

    fn text(&mut self, key: Key) -> usize {
        let known = self.texts.iter().position(|text| text.key == key);
        known.unwrap_or_else(|| {
            self.texts.push(Text {
                key,
                rest: String::new(),
                dropped: 0,
                chars: 0,
                released: 0,
            });
            self.texts.len() - 1
        })
    }
}

impl Text {
    /// Drops what no check needs any more. This happens rarely, so that the pieces of a long answer
    /// cost no more than those of a short one.
    fn forget(&mut self) {
        let spare = (self.released - self.dropped).saturating_sub(CONTEXT);
        if spare < CONTEXT {
            return;
        }
        let cut = self.rest.char_indices().nth(spare).map(|(at, _)| at);
        if let Some(cut) = cut.or_else(|| (spare > 0).then_some(self.rest.len())) {
            self.rest.drain(..cut);
            self.dropped += spare;
        }
    }
}

/// Every text in a piece. The pattern names each field, so that no new field stays unchecked.
fn parts(piece: &TokenEvent) -> Vec<(Key, String)> {
    let TokenEvent {
        text,
        tool_calls,
        logprobs, // without the alternatives
        reasoning_content,
    } = piece;
    let mut parts = Vec::new();
    if let Some(thought) = reasoning_content.as_ref().filter(|text| !text.is_empty()) {
        parts.push((Key::Reasoning, thought.clone()));
    }
    if !text.is_empty() {
        parts.push((Key::Content, text.clone()));
    }
    for delta in tool_calls.iter().flatten() {
        let index = delta.get("index").and_then(Value::as_u64);
        let mut texts = String::new();
        collect(delta, &mut texts);
        if !texts.is_empty() {
            parts.push((Key::Call(index.unwrap_or_default()), texts));
        }
    }
    let tokens = tokens(logprobs.as_ref());
    if !tokens.is_empty() {
        parts.push((Key::Tokens, tokens));
    }
    parts
}

fn tokens(logprobs: Option<&Map<String, Value>>) -> String {
    let content = logprobs.and_then(|logprobs| logprobs.get("content"));
    let tokens = content.and_then(Value::as_array).into_iter().flatten();
    tokens
        .filter_map(|token| token.get("token")?.as_str())
        .collect()
}

/// Adds every text of a delta of a call, whatever the field's name is. All but the arguments end
/// with a line end, so that they are words of their own. The id is left out: the worker makes it.
fn collect(delta: &Map<String, Value>, texts: &mut String) {
    for (name, value) in delta {
        match value {
            Value::String(_) if name == "id" || name == "type" || name == "arguments" => {}
            Value::String(text) => {
                texts.push_str(text);
                texts.push('\n');
            }
            Value::Object(inner) => collect(inner, texts),
            _ => {}
        }
    }
    // Last, so that those of the next delta follow them.
    if let Some(Value::String(text)) = delta.get("arguments") {
        texts.push_str(text);
    }
}
