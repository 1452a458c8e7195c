//! The guard of an answer: pieces wait here until a filter has checked them.
//!
//! One check is under way at a time; what the model writes meanwhile goes with the next one. So a
//! check never holds the model up, and a slow filter makes the pieces larger. If no filter answers
//! in time, nothing more is released, and the answer ends in an error.

mod window;

#[cfg(test)]
mod tests;

use std::fmt;
use std::pin::Pin;
use std::time::Duration;

use serde_json::{Map, Value};
use uuid::Uuid;

use crate::bus::Bus;
use crate::contract::messages::{
    AnswerCheck, AnswerVerdict, FinishReason, Refusal, Reply, TokenEvent,
};
use crate::error::{BusError, JobError};
use crate::ops::status::Status;
use window::{Asked, Window};

/// Why an answer was refused, and what is sent in its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AnswerRefusal {
    /// Why, without the rule's words.
    pub refusal: Refusal,
    /// The policy's text.
    pub response: Option<String>,
    /// The policy's rule, for the log of what happened.
    pub rule: Option<String>,
    /// In which way of reading the text it was found, for the log of what happened.
    pub view: Option<String>,
}

impl AnswerRefusal {
    /// The reply to the request `id`, with the client's text if it has sent one.
    #[must_use]
    pub fn into_reply(self, id: Uuid, wanted: Option<String>, model: Option<&str>) -> Reply {
        Reply {
            response: wanted.or(self.response).unwrap_or_default(),
            id,
            refused: true,
            model: model.map(str::to_owned),
            usage: None,
            finish_reason: Some(FinishReason::ContentFilter),
            refusal: Some(self.refusal),
            tool_calls: None,
            logprobs: None,
            timings: None,
            reasoning_content: None,
            trimmed: None,
        }
    }
}

/// The guard of one answer.
#[derive(Debug)]
pub struct Guard(Option<Checks>);

/// What a guard needs to ask the filters.
#[derive(Debug, Clone)]
pub struct Checker {
    /// The bus that the filters are on.
    pub bus: Bus,
    /// How long the filters have for one check.
    pub limit: Duration,
    /// Where the worker notes whether the filters check.
    pub status: Status,
}

struct Checks {
    checker: Checker,
    id: Uuid,
    seq: u64,
    window: Window,
    under_way: Option<UnderWay>,
}

struct UnderWay {
    asked: Asked,
    verdict: Pin<Box<dyn Future<Output = Result<AnswerVerdict, BusError>> + Send>>,
}

impl fmt::Debug for Checks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Checks")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

impl Guard {
    /// A guard that lets everything pass: no rule applies to answers.
    #[must_use]
    pub fn open() -> Self {
        Self(None)
    }

    /// A guard that has the filters check everything.
    #[must_use]
    pub fn checked(checker: Checker, id: Uuid) -> Self {
        Self(Some(Checks {
            checker,
            id,
            seq: 0,
            window: Window::default(),
            under_way: None,
        }))
    }

    /// Whether it has the filters check the answer.
    #[must_use]
    pub fn is_checked(&self) -> bool {
        self.0.is_some()
    }

    /// Takes a piece of the answer; returns what may be sent now.
    pub fn push(&mut self, mut piece: TokenEvent) -> Option<TokenEvent> {
        let Some(checks) = &mut self.0 else {
            return Some(piece);
        };
        without_alternatives(piece.logprobs.as_mut());
        checks.window.push(piece);
        checks.ask();
        None
    }

    /// Whether a check is under way.
    #[must_use]
    pub fn is_checking(&self) -> bool {
        self.0
            .as_ref()
            .is_some_and(|checks| checks.under_way.is_some())
    }

    /// Waits for the check that is under way; returns what may be sent now. It may be dropped, and
    /// called again.
    ///
    /// # Errors
    /// [`JobError::AnswerRefused`]; [`JobError::AnswerUnchecked`]: no filter has checked it in
    /// time.
    pub async fn released(&mut self) -> Result<Vec<TokenEvent>, JobError> {
        match &mut self.0 {
            Some(checks) => checks.released().await,
            None => Ok(Vec::new()),
        }
    }

    /// The model has ended its answer; returns what was held back, once it is checked.
    ///
    /// # Errors
    /// Those of [`Self::released`].
    pub async fn finish(&mut self) -> Result<Vec<TokenEvent>, JobError> {
        let mut released = Vec::new();
        if let Some(checks) = &mut self.0 {
            checks.window.close();
            checks.ask();
            // What came during a check goes with the one after it.
            while checks.under_way.is_some() {
                released.extend(checks.released().await?);
            }
            released.extend(checks.window.take());
            if !checks.window.is_empty() {
                return Err(checks.failed("a verdict holds a part of a whole answer back"));
            }
        }
        Ok(released)
    }
}

impl Checks {
    /// Begins a check, if none is under way, and there is something new.
    fn ask(&mut self) {
        if self.under_way.is_some() {
            return;
        }
        let Some((parts, asked)) = self.window.question() else {
            return;
        };
        let check = AnswerCheck {
            id: self.id,
            seq: self.seq,
            model: self
                .checker
                .status
                .now()
                .model
                .as_deref()
                .map(str::to_owned),
            client: None,
            parts,
        };
        self.seq += 1;
        let (bus, limit) = (self.checker.bus.clone(), self.checker.limit);
        let verdict = Box::pin(async move { bus.check_answer(&check, limit).await });
        self.under_way = Some(UnderWay { asked, verdict });
    }

    async fn released(&mut self) -> Result<Vec<TokenEvent>, JobError> {
        let Some(under_way) = &mut self.under_way else {
            return Ok(Vec::new());
        };
        let verdict = under_way.verdict.as_mut().await;
        let Some(UnderWay { asked, .. }) = self.under_way.take() else {
            return Ok(Vec::new());
        };
        let verdict = match verdict {
            Ok(verdict) => verdict,
            Err(error) => return Err(self.failed(&error.to_string())),
        };
        self.checker.status.set_unchecked(false);
        if let Some(refusal) = verdict.refusal {
            return Err(JobError::AnswerRefused(Box::new(AnswerRefusal {
                refusal,
                response: verdict.response,
                rule: verdict.rule,
                view: verdict.view,
            })));
        }
        let Some(released) = self.window.release(&asked, &verdict.release) else {
            return Err(self.failed("a verdict does not fit its check"));
        };
        self.ask();
        Ok(released)
    }

    fn failed(&self, reason: &str) -> JobError {
        tracing::error!(chat_id = %self.id, reason, "no filter has checked the answer");
        self.checker.status.set_unchecked(true);
        JobError::AnswerUnchecked
    }
}

/// Removes the alternatives from logprobs: they are text that no filter has checked.
pub fn without_alternatives(logprobs: Option<&mut Map<String, Value>>) {
    let content = logprobs.and_then(|logprobs| logprobs.get_mut("content"));
    for token in content.and_then(Value::as_array_mut).into_iter().flatten() {
        let written = token.get("token").cloned();
        if let Some(Value::Array(alternatives)) = token.get_mut("top_logprobs") {
            alternatives.retain(|alternative| alternative.get("token") == written.as_ref());
        }
    }
}
