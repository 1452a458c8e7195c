//! Why a job ended, and what follows.

use std::time::Duration;

use thiserror::Error;

use super::{BusError, ErrorCode, InvalidMessage, ModelError};
use crate::approval::Forgery;
use crate::control_tokens::Place;
use crate::delivery::Settlement;
use crate::messages::Stage;

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
    /// A text of it would be a control token to the model.
    #[error(
        "The model takes a part of {0} for a control token; put a space inside, for example \"< |im_end|>\"."
    )]
    ControlToken(Place),
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
            Self::Model(ModelError::NotThere(_) | ModelError::WrongKey) => {
                Some(ErrorCode::ModelUnavailable)
            }
            Self::Model(ModelError::ContextExceeded) => Some(ErrorCode::ContextLengthExceeded),
            Self::ControlToken(_) | Self::Model(ModelError::Refused(_)) => {
                Some(ErrorCode::InvalidRequest)
            }
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

    /// The field of the request that is at fault.
    #[must_use]
    pub fn param(&self) -> Option<String> {
        match self {
            Self::ControlToken(place) => Some(place.param()),
            _ => None,
        }
    }

    /// How the message in CHAT is settled, once the outcome (where there is one) is stored and replied.
    #[must_use]
    pub fn settlement(&self) -> Settlement {
        match self {
            Self::Forged(_) => Settlement::Reject("not signed by the filter"),
            Self::TooManyAttempts => Settlement::Term("too many attempts"),
            Self::Malformed(_) => Settlement::Term("malformed"),
            Self::ReplyNotAllowed => Settlement::Term("reply subject not allowed"),
            Self::DeadlineExceeded(Stage::Running)
            | Self::Cancelled
            | Self::ControlToken(_)
            | Self::Model(_) => Settlement::Ack,
            Self::DeadlineExceeded(_) => Settlement::Term("deadline exceeded"),
            Self::Bus(_) | Self::Internal(_) => Settlement::Nak(Duration::from_secs(1)),
            Self::Stopping => Settlement::Nak(Duration::ZERO),
            Self::LeaseLost => Settlement::Leave,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
            JobError::ControlToken(Place::Joined),
            ModelError::NotThere("x").into(),
            ModelError::ContextExceeded.into(),
            ModelError::Refused("x".into()).into(),
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
