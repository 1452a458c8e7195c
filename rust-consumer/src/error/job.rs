//! Why a job ended, and what follows.

use std::time::Duration;

use thiserror::Error;

use super::{BusError, Context, ErrorCode, InvalidMessage, ModelError};
use crate::bus::jobs::AckDecision;
use crate::contract::messages::Stage;
use crate::llama::control_tokens::Location;
use crate::worker::approval::Forgery;
use crate::worker::guard::AnswerRefusal;

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
    /// Its result became *cancelled* while it ran.
    #[error("The request was cancelled.")]
    Cancelled,
    /// The filter refused the model's answer.
    #[error("the answer was refused")]
    AnswerRefused(Box<AnswerRefusal>),
    /// No filter has checked the answer in time.
    #[error("The answer could not be checked, so it is not given; ask again later.")]
    AnswerUnchecked,
    /// A text of it would be a control token to the model.
    #[error(
        "The model takes a part of {0} for a control token; put a space inside, for example \"< |im_end|>\"."
    )]
    ControlToken(Location),
    /// The model did not answer.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// The result is stored, but the bus did not take the reply; the next delivery sends it.
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
            Self::AnswerRefused(_) => "refused",
            Self::ReplyNotAllowed => "reply_not_allowed",
            Self::Bus(_) => "bus",
            Self::Stopping => "stopping",
            Self::LeaseLost => "lease_lost",
            other => other.code().unwrap_or(ErrorCode::Internal).name(),
        }
    }

    /// The error that the requester receives; `None` if the request has no result yet.
    #[must_use]
    pub fn code(&self) -> Option<ErrorCode> {
        match self {
            Self::TooManyAttempts => Some(ErrorCode::TooManyAttempts),
            Self::Malformed(_) => Some(ErrorCode::MalformedMessage),
            Self::DeadlineExceeded(_) => Some(ErrorCode::DeadlineExceeded),
            Self::Cancelled => Some(ErrorCode::Cancelled),
            Self::AnswerUnchecked => Some(ErrorCode::AnswerUnchecked),
            Self::Model(ModelError::NotThere(_) | ModelError::WrongKey) => {
                Some(ErrorCode::ModelUnavailable)
            }
            Self::Model(ModelError::ContextExceeded(_)) => Some(ErrorCode::ContextLengthExceeded),
            Self::ControlToken(_) | Self::Model(ModelError::Refused(_)) => {
                Some(ErrorCode::InvalidRequest)
            }
            Self::Model(ModelError::Failed(_)) => Some(ErrorCode::ModelFailed),
            Self::Forged(_)
            | Self::AnswerRefused(_)
            | Self::ReplyNotAllowed
            | Self::Bus(_)
            | Self::Internal(_)
            | Self::Stopping
            | Self::LeaseLost => None,
        }
    }

    /// How far the request had come when its deadline passed.
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

    /// The numbers of a conversation that is too long, if llama.cpp sent them.
    #[must_use]
    pub fn context(&self) -> Option<Context> {
        match self {
            Self::Model(ModelError::ContextExceeded(context)) => *context,
            _ => None,
        }
    }

    /// How the message in CHAT is acknowledged, once the result, if there is one, is stored and
    /// sent.
    #[must_use]
    pub fn ack_decision(&self) -> AckDecision {
        match self {
            Self::Forged(_) => AckDecision::Reject("not signed by the filter"),
            Self::TooManyAttempts => AckDecision::Term("too many attempts"),
            Self::Malformed(_) => AckDecision::Term("malformed"),
            Self::ReplyNotAllowed => AckDecision::Term("reply subject not allowed"),
            Self::DeadlineExceeded(Stage::Running)
            | Self::Cancelled
            | Self::AnswerUnchecked
            | Self::ControlToken(_)
            | Self::Model(_) => AckDecision::Ack,
            Self::DeadlineExceeded(_) => AckDecision::Term("deadline exceeded"),
            // The worker turns a refused answer into a reply before it comes to this.
            Self::AnswerRefused(_) | Self::Bus(_) | Self::Internal(_) => {
                AckDecision::Nak(Duration::from_secs(1))
            }
            Self::Stopping => AckDecision::Nak(Duration::ZERO),
            Self::LeaseLost => AckDecision::Leave,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A result is final, by the contract; a message without a result is never acknowledged as
    /// done.
    #[test]
    fn what_is_stored_is_final_and_what_is_not_is_not_acknowledged() {
        let errors = [
            Forgery::Unsigned.into(),
            JobError::TooManyAttempts,
            JobError::Malformed("x".into()),
            JobError::ReplyNotAllowed,
            JobError::DeadlineExceeded(Stage::Waiting),
            JobError::DeadlineExceeded(Stage::Running),
            JobError::ControlToken(Location::Joined),
            JobError::AnswerUnchecked,
            ModelError::NotThere("x").into(),
            ModelError::ContextExceeded(None).into(),
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
                None => assert_ne!(error.ack_decision(), AckDecision::Ack, "{error:?}"),
            }
        }
    }

    /// The error of a body that cannot be read names the place; its words stay out of logs and
    /// replies.
    #[test]
    fn an_unreadable_body_is_not_quoted() {
        let error = serde_json::from_str::<u8>("\"a secret\"").unwrap_err();
        let error = JobError::Malformed(InvalidMessage::from(error).to_string());
        assert!(!error.to_string().contains("secret"), "{error}");
    }
}
