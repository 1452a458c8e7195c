//! The codes of the errors that a requester can receive.

use serde::{Deserialize, Serialize};

/// The closed set of errors that a requester can receive, as in
/// `contracts/src/stile_contracts/errors.py`.
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
    AnswerUnchecked,
    TooManyAttempts,
    MalformedMessage,
    Cancelled,
    Internal,
}

impl ErrorCode {
    /// The whole table: name, HTTP status (and ADR-32's `Nats-Service-Error-Code`), finality.
    pub const TABLE: [(Self, &'static str, u16, bool); 29] = [
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
        (Self::InvalidApiKey, "invalid_api_key", 401, true),
        (Self::QueueFull, "queue_full", 503, false),
        (Self::ClientQueueFull, "client_queue_full", 429, false),
        (Self::NoFilter, "no_filter", 503, false),
        (Self::BusUnavailable, "bus_unavailable", 503, false),
        (Self::FilterError, "filter_error", 503, false),
        (Self::FilterTimeout, "filter_timeout", 503, false),
        (Self::ShuttingDown, "shutting_down", 503, false),
        (Self::ModelNotFound, "model_not_found", 404, false),
        (Self::InProgress, "in_progress", 409, false),
        (Self::AcceptTimeout, "accept_timeout", 504, false),
        (Self::AnswerTimeout, "answer_timeout", 504, false),
        (Self::DeadlineExceeded, "deadline_exceeded", 504, true),
        (Self::ModelFailed, "model_failed", 502, true),
        (Self::ModelUnavailable, "model_unavailable", 502, true),
        (Self::AnswerUnchecked, "answer_unchecked", 503, true),
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

    /// The HTTP status of the same meaning.
    #[must_use]
    pub fn status(self) -> u16 {
        self.row().2
    }

    /// Whether the same request would end in it again.
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
}
