//! The names on the bus, as in `contracts/src/stile_contracts/subjects.py`, and where answers may
//! go.
//!
//! A token is `[A-Za-z0-9_-]`, 1 to 64 characters; a subject's tokens are joined by dots.
//! [`super::address`] reads and writes the subjects of a request.

/// The work queue of approved requests.
pub const CHAT_STREAM: &str = "CHAT";
/// Each request's result.
pub const RESULT_STREAM: &str = "CHAT_RESULT";
/// Requests that were given up.
pub const DEAD_STREAM: &str = "CHAT_DLQ";
/// The consumer's heartbeats.
pub const HEARTBEAT: &str = "chat.event.consumer";
/// An [`AnswerCheck`](super::messages::AnswerCheck), which one of the filters replies to.
pub const ANSWER_CHECKS: &str = "chat.answer";
/// The prefix of the inboxes in which verdicts about answers are received. No filter may send to
/// this service's other inboxes: it could answer in `JetStream`'s place.
pub const ANSWER_INBOX: &str = "_INBOX_answer";
/// A request was approved; the body is its subject in `CHAT`. If it names no request, `CHAT` has to
/// be listed.
pub const WAKE: &str = "chat.event.approved";
/// A request's result is *cancelled*: the worker that runs it stops.
pub const CANCELLED: &str = "chat.event.cancelled.*.*";
/// From a gateway: the worker that runs the request sends its events to `Chat-Reply-To`, too.
pub const FOLLOW: &str = "chat.follow.*.*";
/// A worker has taken up a request.
pub const STARTED: &str = "chat.event.started.*.*.*";
/// A worker is done with a request.
pub const FINISHED: &str = "chat.event.finished.*.*.*";
/// While `CHAT` holds a message of this subject, the queue is on hold: no request is started.
pub const HOLD: &str = "chat.hold";
/// Every approved request.
pub const APPROVED: &str = "chat.approved.>";
/// Everything that [`CHAT_STREAM`] holds: approved requests, and the [`HOLD`].
pub const ALL_CHAT: &str = "chat.>";
/// The prefix of this service's own inboxes: its user may subscribe to nothing else.
pub const INBOX_PREFIX: &str = "_INBOX_consumer";

/// The subject of an approved request, up to its lane.
pub(super) const APPROVED_PREFIX: &str = "chat.approved.";
/// The subject of the event [`STARTED`], up to its lane.
pub(super) const STARTED_PREFIX: &str = "chat.event.started.";
/// The subject of the event [`FINISHED`], up to its lane.
pub(super) const FINISHED_PREFIX: &str = "chat.event.finished.";
/// The subject of the event [`CANCELLED`], up to its client.
pub(super) const CANCELLED_PREFIX: &str = "chat.event.cancelled.";
/// The subject [`FOLLOW`], up to its client.
pub(super) const FOLLOW_PREFIX: &str = "chat.follow.";
/// The subject of a dead letter, up to its lane.
pub(super) const DEAD_PREFIX: &str = "chat.dead.";
/// The subject of a result, up to its client.
pub(super) const RESULT_PREFIX: &str = "chat.result.";
/// The subject of a record in the log, up to its client.
pub(super) const LOG_PREFIX: &str = "chat.log.";
/// The prefix of the inboxes where the operator receives what services say of themselves.
const OPERATOR_INBOX: &str = "_INBOX_operator.";
const GATEWAY_INBOX: &str = "_INBOX_gateway.";
const REPLY_PREFIXES: [&str; 2] = [GATEWAY_INBOX, "_R_."];
pub(super) const MAX_TOKEN_LENGTH: usize = 64;
const MAX_REPLY_LENGTH: usize = 256;

/// Whether an answer may be sent to `subject`.
///
/// The filter has checked it already. It is checked again because an answer that is sent elsewhere
/// could pass for a request, or for an approved one.
#[must_use]
pub fn is_reply_allowed(subject: &str) -> bool {
    subject.len() <= MAX_REPLY_LENGTH
        && REPLY_PREFIXES
            .iter()
            .any(|prefix| subject.starts_with(prefix))
        && subject.split('.').all(is_token)
}

/// Whether `subject` is an inbox of a gateway: nobody else may follow a request.
#[must_use]
pub fn is_gateways(subject: &str) -> bool {
    subject.starts_with(GATEWAY_INBOX) && is_reply_allowed(subject)
}

/// Whether `subject` is an inbox of the operator: questions about the service itself are answered
/// there alone.
#[must_use]
pub fn is_operators(subject: &str) -> bool {
    subject.len() <= MAX_REPLY_LENGTH
        && subject.starts_with(OPERATOR_INBOX)
        && subject.split('.').all(is_token)
}

pub(super) fn is_token(text: &str) -> bool {
    !text.is_empty()
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Only well-formed subjects under the two prefixes may be answered.
    #[test]
    fn only_reply_subjects_may_be_answered() {
        let long = format!("_R_.{}", "x".repeat(MAX_REPLY_LENGTH));
        for (subject, allowed) in [
            ("_INBOX_gateway.a1.b2", true),
            ("_R_.abc.def", true),
            ("_INBOX_gateway", false),
            ("_INBOX_gateway.", false),
            ("_INBOX_gateway.*", false),
            ("_INBOX_gateway.>", false),
            ("_INBOX_gateway.a b", false),
            ("_INBOX_consumer.a", false),
            ("chat.approved.interactive.alice.x", false),
            ("chat.result.alice.x", false),
            ("$JS.API.STREAM.PURGE.CHAT", false),
            ("", false),
            (&long, false),
        ] {
            assert_eq!(is_reply_allowed(subject), allowed, "{subject:?}");
        }
    }

    /// A request's events go to the gateways that follow it, and to nobody else.
    #[test]
    fn only_gateways_follow() {
        assert!(is_gateways("_INBOX_gateway.a1.b2"));
        for subject in ["_R_.abc.def", "_INBOX_gateway.>", "chat.result.alice.x", ""] {
            assert!(!is_gateways(subject), "{subject:?}");
        }
    }

    /// Questions about the service are answered to the operator, and to nobody else.
    #[test]
    fn only_the_operator_is_told_of_the_service() {
        for (subject, allowed) in [
            ("_INBOX_operator.a1.b2", true),
            ("_INBOX_operator", false),
            ("_INBOX_operator.>", false),
            ("_INBOX_provisioner.a", false),
            ("_INBOX_gateway.a", false),
            ("chat.result.alice.x", false),
        ] {
            assert_eq!(is_operators(subject), allowed, "{subject:?}");
        }
    }

    proptest! {
        /// No text whatever is allowed that a subscriber of the two prefixes could not be sent.
        #[test]
        fn an_allowed_reply_subject_is_harmless(subject in "\\PC{0,40}|(_R_|_INBOX_gateway)[.a-zA-Z*> -]{0,20}") {
            if is_reply_allowed(&subject) {
                prop_assert!(subject.starts_with("_R_.") || subject.starts_with("_INBOX_gateway."));
                prop_assert!(!subject.contains(['*', '>', ' ', '\r', '\n']));
                prop_assert!(!subject.contains("..") && !subject.ends_with('.'));
            }
        }
    }
}
