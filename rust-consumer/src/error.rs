//! What can go wrong, and what follows from it.
//!
//! ```text
//! RunError                  the process cannot start or go on: exit 1
//! JobError                  a job ended without an answer            code                      settled by
//!  ├ Forged(Forgery)        the filter has not signed it             –  (nothing is sent)      term
//!  ├ TooManyAttempts        delivered more than three times          too_many_attempts         term
//!  ├ Malformed              headers or body cannot be read           malformed_message         term
//!  ├ ReplyNotAllowed        the reply subject is none                –  (nothing is sent)      term
//!  ├ DeadlineExceeded       Chat-Deadline has passed                 deadline_exceeded         term; ack once it ran
//!  ├ Cancelled              its requester wants it no more           cancelled                 ack
//!  ├ Model(ModelError)
//!  │  ├ NotThere            refused, or still loading, for too long  model_unavailable         ack
//!  │  ├ ContextExceeded     the conversation is too long             context_length_exceeded   ack
//!  │  └ Failed              an error answer, or the stream broke off model_failed              ack
//!  ├ Bus(BusError)          the stored outcome could not be said     –                         nak
//!  ├ Internal               a defect of ours                         –                         nak
//!  ├ Stopping               no time left before the shutdown         –                         nak
//!  └ LeaseLost              another worker may have the job          –                         left alone
//! BusError                  NATS did not do what it was asked: tried again while the job is held
//! InvalidMessage            a body that is not what its schema says
//! ```
//!
//! Foreign errors are translated into these at the edge: `reqwest`'s in [`crate::llama`], `async-nats`'s in
//! [`crate::bus`] and [`crate::outcome`].

use std::time::Duration;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::approval::Forgery;
use crate::bus::Settlement;
use crate::messages::Stage;

/// The closed set of errors that a requester can meet, as in `contracts/src/stile_contracts/errors.py`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs)]
pub enum ErrorCode {
    InvalidRequest,
    InvalidHeader,
    TooLarge,
    UnsupportedMediaType,
    NotFound,
    MethodNotAllowed,
    KeyConflict,
    ContextLengthExceeded,
    UnsupportedParameter,
    ModelNotFound,
    InvalidApiKey,
    QueueFull,
    ClientQueueFull,
    NoFilter,
    BusUnavailable,
    FilterError,
    FilterTimeout,
    ShuttingDown,
    InProgress,
    AcceptTimeout,
    AnswerTimeout,
    DeadlineExceeded,
    ModelFailed,
    ModelUnavailable,
    TooManyAttempts,
    MalformedMessage,
    Cancelled,
    Internal,
}

impl ErrorCode {
    /// The whole table: name, HTTP status (and ADR-32's `Nats-Service-Error-Code`), finality.
    pub const TABLE: [(Self, &'static str, u16, bool); 28] = [
        (Self::InvalidRequest, "invalid_request", 422, true),
        (Self::InvalidHeader, "invalid_header", 400, true),
        (Self::TooLarge, "too_large", 413, true),
        (
            Self::UnsupportedMediaType,
            "unsupported_media_type",
            415,
            true,
        ),
        (Self::NotFound, "not_found", 404, true),
        (Self::MethodNotAllowed, "method_not_allowed", 405, true),
        (Self::KeyConflict, "key_conflict", 422, true),
        (
            Self::ContextLengthExceeded,
            "context_length_exceeded",
            422,
            true,
        ),
        (
            Self::UnsupportedParameter,
            "unsupported_parameter",
            400,
            true,
        ),
        (Self::ModelNotFound, "model_not_found", 404, true),
        (Self::InvalidApiKey, "invalid_api_key", 401, true),
        (Self::QueueFull, "queue_full", 503, false),
        (Self::ClientQueueFull, "client_queue_full", 429, false),
        (Self::NoFilter, "no_filter", 503, false),
        (Self::BusUnavailable, "bus_unavailable", 503, false),
        (Self::FilterError, "filter_error", 503, false),
        (Self::FilterTimeout, "filter_timeout", 503, false),
        (Self::ShuttingDown, "shutting_down", 503, false),
        (Self::InProgress, "in_progress", 409, false),
        (Self::AcceptTimeout, "accept_timeout", 504, false),
        (Self::AnswerTimeout, "answer_timeout", 504, false),
        (Self::DeadlineExceeded, "deadline_exceeded", 504, true),
        (Self::ModelFailed, "model_failed", 502, true),
        (Self::ModelUnavailable, "model_unavailable", 502, true),
        (Self::TooManyAttempts, "too_many_attempts", 500, true),
        (Self::MalformedMessage, "malformed_message", 500, true),
        (Self::Cancelled, "cancelled", 499, true),
        (Self::Internal, "internal", 500, false),
    ];

    /// The code as it is written on the bus.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.row().1
    }

    /// The HTTP status that tells the same.
    #[must_use]
    pub fn status(self) -> u16 {
        self.row().2
    }

    /// Whether the same request would meet it again.
    #[must_use]
    pub fn is_final(self) -> bool {
        self.row().3
    }

    fn row(self) -> (Self, &'static str, u16, bool) {
        let [.., internal] = Self::TABLE;
        Self::TABLE
            .into_iter()
            .find(|row| row.0 == self)
            .unwrap_or(internal)
    }
}

/// Why the process cannot start, or not go on.
#[derive(Debug, Error)]
pub enum RunError {
    /// The HTTP port cannot be had.
    #[error("STILE_CONSUMER_HOST, STILE_CONSUMER_PORT: cannot listen on {address}: {source}")]
    Listen {
        /// What was asked for.
        address: String,
        /// Why not.
        source: std::io::Error,
    },
    /// The bus's client cannot be set up; a bus that is away is waited for.
    #[error("STILE_NATS_URL, STILE_NATS_NKEY_FILE: {0}")]
    Bus(#[from] BusError),
    /// The HTTP client cannot be set up.
    #[error("STILE_LLAMA_URL: {0}")]
    Llama(reqwest::Error),
    /// Signals cannot be listened for.
    #[error("cannot listen for signals: {0}")]
    Signals(std::io::Error),
    /// One of the service's tasks ended though nobody asked it to.
    #[error("a task of the service ended: {0}")]
    Task(String),
}

/// Why a job ended without an answer. The text of one that has a code is what the requester reads.
#[derive(Debug, Error)]
pub enum JobError {
    /// The filter has not approved this message as it is.
    #[error("not approved: {0}")]
    Forged(#[from] Forgery),
    /// The message was delivered more than three times.
    #[error("The request was given up after three attempts; send it again under a new key.")]
    TooManyAttempts,
    /// Headers or body cannot be read; the reason names the place, never its content.
    #[error("The approved request cannot be read: {0}.")]
    Malformed(String),
    /// `Chat-Reply-To` is not a subject that may be answered.
    #[error("the reply subject is not allowed")]
    ReplyNotAllowed,
    /// `Chat-Deadline` has passed.
    #[error("The request's deadline has passed; ask again, with more time.")]
    DeadlineExceeded(Stage),
    /// Its outcome was made *cancelled* while it ran.
    #[error("The request was cancelled.")]
    Cancelled,
    /// The model did not answer.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// The outcome is stored, but the bus did not take the reply; the next delivery says it.
    #[error("the reply could not be sent: {0}")]
    Bus(#[from] BusError),
    /// A defect of ours.
    #[error("internal: {0}")]
    Internal(#[from] InvalidMessage),
    /// The shutdown leaves no time.
    #[error("the service is stopping")]
    Stopping,
    /// The lease could not be renewed in time, so another worker may have the job.
    #[error("the lease was lost")]
    LeaseLost,
}

impl JobError {
    /// What the job is counted and logged as.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Forged(_) => "unsigned",
            Self::ReplyNotAllowed => "reply_not_allowed",
            Self::Bus(_) => "bus",
            Self::Stopping => "stopping",
            Self::LeaseLost => "lease_lost",
            other => other.code().unwrap_or(ErrorCode::Internal).name(),
        }
    }

    /// The outcome that the requester gets; `None` where the request has none yet.
    #[must_use]
    pub fn code(&self) -> Option<ErrorCode> {
        match self {
            Self::TooManyAttempts => Some(ErrorCode::TooManyAttempts),
            Self::Malformed(_) => Some(ErrorCode::MalformedMessage),
            Self::DeadlineExceeded(_) => Some(ErrorCode::DeadlineExceeded),
            Self::Cancelled => Some(ErrorCode::Cancelled),
            Self::Model(ModelError::NotThere(_)) => Some(ErrorCode::ModelUnavailable),
            Self::Model(ModelError::ContextExceeded) => Some(ErrorCode::ContextLengthExceeded),
            Self::Model(ModelError::Failed(_)) => Some(ErrorCode::ModelFailed),
            Self::Forged(_)
            | Self::ReplyNotAllowed
            | Self::Bus(_)
            | Self::Internal(_)
            | Self::Stopping
            | Self::LeaseLost => None,
        }
    }

    /// How far the request had come, where its deadline has passed.
    #[must_use]
    pub fn stage(&self) -> Option<Stage> {
        match self {
            Self::DeadlineExceeded(stage) => Some(*stage),
            _ => None,
        }
    }

    /// How the message in CHAT is settled, once the outcome (where there is one) is stored and replied.
    #[must_use]
    pub fn settlement(&self) -> Settlement {
        match self {
            Self::Forged(_) => Settlement::Term("not signed by the filter"),
            Self::TooManyAttempts => Settlement::Term("too many attempts"),
            Self::Malformed(_) => Settlement::Term("malformed"),
            Self::ReplyNotAllowed => Settlement::Term("reply subject not allowed"),
            Self::DeadlineExceeded(Stage::Running) | Self::Cancelled | Self::Model(_) => {
                Settlement::Ack
            }
            Self::DeadlineExceeded(_) => Settlement::Term("deadline exceeded"),
            Self::Bus(_) | Self::Internal(_) => Settlement::Nak(Duration::from_secs(1)),
            Self::Stopping => Settlement::Nak(Duration::ZERO),
            Self::LeaseLost => Settlement::Leave,
        }
    }
}

/// What llama.cpp did instead of answering. The text is what the requester reads; it names no address.
#[derive(Debug, Error)]
pub enum ModelError {
    /// It refuses connections, or is loading its model.
    #[error("The model is not there ({0}); ask again later.")]
    NotThere(&'static str),
    /// The conversation is longer than the model's context.
    #[error("The conversation is too long for the model; leave out some of its messages.")]
    ContextExceeded,
    /// It answered with an error, or its stream broke off.
    #[error("The model failed ({0}); ask again.")]
    Failed(&'static str),
}

/// What NATS did not do.
#[derive(Debug, Error)]
pub enum BusError {
    /// No answer in time: the bus, or the stream's leader, is away.
    #[error("no answer in time")]
    TimedOut,
    /// The connection is closed, or the client cannot be made.
    #[error("{0}")]
    Client(String),
    /// The stream or the consumer is not there.
    #[error("{0} is not there")]
    Missing(&'static str),
    /// The server said no.
    #[error("refused: {0}")]
    Refused(String),
    /// The message is larger than the server takes.
    #[error("too large for the bus")]
    TooLarge,
}

/// A body that is not what its schema says. The text never quotes it.
#[derive(Debug, Error)]
pub enum InvalidMessage {
    /// Not JSON, or not of this shape.
    #[error("not the JSON that was expected (line {}, column {})", .0.line(), .0.column())]
    Json(#[from] serde_json::Error),
    /// The field holds a value that it may not.
    #[error("{0} is not valid")]
    Value(&'static str),
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each code stands once, and is written on the bus by the name in the table.
    #[test]
    fn the_table_is_total() {
        for (code, name, status, is_final) in ErrorCode::TABLE {
            assert_eq!(serde_json::to_value(code).unwrap(), name);
            assert_eq!(
                (code.name(), code.status(), code.is_final()),
                (name, status, is_final)
            );
        }
    }

    /// An outcome is final, by the contract; what has no outcome is never acknowledged.
    #[test]
    fn what_is_stored_is_final_and_what_is_not_is_not_acknowledged() {
        let errors = [
            Forgery::Unsigned.into(),
            JobError::TooManyAttempts,
            JobError::Malformed("x".into()),
            JobError::ReplyNotAllowed,
            JobError::DeadlineExceeded(Stage::Waiting),
            JobError::DeadlineExceeded(Stage::Running),
            ModelError::NotThere("x").into(),
            ModelError::ContextExceeded.into(),
            ModelError::Failed("x").into(),
            BusError::TimedOut.into(),
            InvalidMessage::Value("x").into(),
            JobError::Stopping,
            JobError::LeaseLost,
        ];
        for error in errors {
            match error.code() {
                Some(code) => assert!(code.is_final(), "{error:?}"),
                None => assert_ne!(error.settlement(), Settlement::Ack, "{error:?}"),
            }
        }
    }

    /// A body that cannot be read is told by place; its words stay out of logs and replies.
    #[test]
    fn an_unreadable_body_is_not_quoted() {
        let error = serde_json::from_str::<u8>("\"a secret\"").unwrap_err();
        let error = JobError::Malformed(InvalidMessage::from(error).to_string());
        assert!(!error.to_string().contains("secret"), "{error}");
    }
}
