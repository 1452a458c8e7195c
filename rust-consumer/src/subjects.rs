//! The names on the bus, as in `contracts/src/stile_contracts/subjects.py`.
//!
//! A token is `[A-Za-z0-9_-]`, 1 to 64 characters; a subject's tokens are joined by dots.

use std::fmt;

use uuid::Uuid;

use crate::source::Source;

/// The work queue of approved requests.
pub const CHAT_STREAM: &str = "CHAT";
/// Where each request's outcome is kept.
pub const RESULT_STREAM: &str = "CHAT_RESULT";
/// Where requests are kept that were given up.
pub const DEAD_STREAM: &str = "CHAT_DLQ";
/// Where the consumer says that it is there.
pub const HEARTBEAT: &str = "chat.event.consumer";
/// Bodiless: a request was approved, and a sleeping worker may look.
pub const WAKE: &str = "chat.event.approved";
/// That a request's outcome is *cancelled*: whoever runs it stops.
pub const CANCELLED: &str = "chat.event.cancelled.*.*";
/// That a worker has taken a request up.
pub const STARTED: &str = "chat.event.started.*.*.*";
/// That a worker is done with a request.
pub const FINISHED: &str = "chat.event.finished.*.*.*";
/// Every approved request.
pub const APPROVED: &str = "chat.approved.>";
/// The prefix of this service's own inboxes: its user may subscribe to nothing else.
pub const INBOX_PREFIX: &str = "_INBOX_consumer";

/// The subject of an approved request, up to its lane.
pub const APPROVED_PREFIX: &str = "chat.approved.";
/// The subject of the event [`STARTED`], up to its lane.
pub const STARTED_PREFIX: &str = "chat.event.started.";
/// The subject of the event [`FINISHED`], up to its lane.
const FINISHED_PREFIX: &str = "chat.event.finished.";
/// Where whoever runs Stile hears what services say of themselves.
const OPERATOR_INBOX: &str = "_INBOX_operator.";
const REPLY_PREFIXES: [&str; 2] = ["_INBOX_gateway.", "_R_."];
const MAX_TOKEN_LENGTH: usize = 64;
const MAX_REPLY_LENGTH: usize = 256;

/// Which of the two queues a request waits in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Lane {
    /// People wait for the answer.
    Interactive,
    /// Nobody does.
    Batch,
}

impl Lane {
    /// The lane as it is written in subjects.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Interactive => "interactive",
            Self::Batch => "batch",
        }
    }

    fn parse(name: &str) -> Option<Self> {
        [Self::Interactive, Self::Batch]
            .into_iter()
            .find(|lane| lane.name() == name)
    }
}

/// One client's requests in one lane: whose turn it is goes by lines.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Line {
    /// The lane.
    pub lane: Lane,
    /// The client's name, one token.
    pub client: String,
}

impl Line {
    /// Takes a subject that ends in `<lane>.<client>.<id>` apart, after `prefix`; the id is not looked into.
    #[must_use]
    pub fn parse<'a>(prefix: &str, subject: &'a str) -> Option<(Self, &'a str)> {
        let mut tokens = subject.strip_prefix(prefix)?.split('.');
        let (lane, client, id) = (tokens.next()?, tokens.next()?, tokens.next()?);
        let well_formed =
            tokens.next().is_none() && client.len() <= MAX_TOKEN_LENGTH && is_token(client);
        let parsed = Self {
            lane: Lane::parse(lane)?,
            client: client.to_owned(),
        };
        well_formed.then_some((parsed, id))
    }

    /// The event that a worker has taken up the request `id`.
    #[must_use]
    pub fn started(&self, id: &str) -> String {
        self.subject(STARTED_PREFIX, id)
    }

    /// The event that the request `id` is settled, and its worker free.
    #[must_use]
    pub fn finished(&self, id: &str) -> String {
        self.subject(FINISHED_PREFIX, id)
    }

    /// The subject that keeps the request `id` in [`DEAD_STREAM`], once it was given up.
    #[must_use]
    pub fn dead(&self, id: &str) -> String {
        self.subject("chat.dead.", id)
    }

    fn subject(&self, prefix: &str, id: &str) -> String {
        format!("{prefix}{}.{}.{id}", self.lane.name(), self.client)
    }
}

/// What an approved request's subject says: whose request it is, and which.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Approved {
    /// The client's name, one token.
    pub client: String,
    /// The request's id.
    pub id: Uuid,
}

impl Approved {
    /// Reads an approved request's subject, whatever model it is for; `None` where it is no such one.
    #[must_use]
    pub fn parse(subject: &str) -> Option<Self> {
        let (source, id) = Source::parse(subject)?;
        Some(Self {
            client: source.line.client,
            id: Uuid::try_parse(id).ok()?,
        })
    }

    /// Takes `chat.event.cancelled.<client>.<id>` apart; `None` where the subject is no such one.
    #[must_use]
    pub fn parse_cancelled(subject: &str) -> Option<Self> {
        let (client, id) = subject
            .strip_prefix("chat.event.cancelled.")?
            .split_once('.')?;
        Some(Self {
            client: client.to_owned(),
            id: Uuid::try_parse(id).ok()?,
        })
    }

    /// The subject that keeps this request's outcome in [`RESULT_STREAM`].
    #[must_use]
    pub fn result(&self) -> ResultSubject<'_> {
        ResultSubject(self)
    }
}

/// `chat.result.<client>.<id>`.
#[derive(Debug)]
pub struct ResultSubject<'a>(&'a Approved);

impl fmt::Display for ResultSubject<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "chat.result.{}.{}", self.0.client, self.0.id)
    }
}

/// Tells whether an answer may be sent to `subject`.
///
/// The filter has checked it already; it is checked again because an answer sent elsewhere could be turned
/// into a request, or into an approved one (DESIGN, decisions 5 and 6).
#[must_use]
pub fn is_reply_allowed(subject: &str) -> bool {
    subject.len() <= MAX_REPLY_LENGTH
        && REPLY_PREFIXES
            .iter()
            .any(|prefix| subject.starts_with(prefix))
        && subject.split('.').all(is_token)
}

/// Tells whether `subject` is an inbox of whoever runs Stile: the only place where questions about the service
/// itself are answered.
#[must_use]
pub fn is_operators(subject: &str) -> bool {
    subject.len() <= MAX_REPLY_LENGTH
        && subject.starts_with(OPERATOR_INBOX)
        && subject.split('.').all(is_token)
}

fn is_token(text: &str) -> bool {
    !text.is_empty()
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ID: &str = "01920f3c-7a51-7c3e-8f00-0123456789ab";

    /// What the filter publishes under is read, and the outcome's subject is made of it, whatever the model.
    #[test]
    fn approved_subjects_are_read() {
        for end in ["", ".smollm2"] {
            let subject = format!("chat.approved.interactive.http-127.{ID}{end}");
            let approved = Approved::parse(&subject).unwrap();
            let result = format!("chat.result.http-127.{ID}");
            assert_eq!(approved.result().to_string(), result);
        }
    }

    /// What is told of a line's requests says lane, client and id.
    #[test]
    fn a_lines_events_are_read() {
        let subject = format!("chat.approved.batch.http-127.{ID}");
        let (line, id) = Line::parse(APPROVED_PREFIX, &subject).unwrap();
        assert_eq!(id, ID);
        let started = line.started(id);
        assert_eq!(
            Line::parse(STARTED_PREFIX, &started),
            Some((line.clone(), ID))
        );
        assert_eq!(
            line.finished(id),
            format!("chat.event.finished.batch.http-127.{ID}")
        );
        assert_eq!(line.dead(id), format!("chat.dead.batch.http-127.{ID}"));
    }

    /// A cancellation names the request that an approved subject names.
    #[test]
    fn cancellations_are_read() {
        let approved = Approved::parse(&format!("chat.approved.batch.al.{ID}")).unwrap();
        let cancelled = Approved::parse_cancelled(&format!("chat.event.cancelled.al.{ID}"));
        assert_eq!(cancelled, Some(approved));
        assert_eq!(Approved::parse_cancelled("chat.event.cancelled.al"), None);
    }

    /// Anything that is not exactly an approved subject is none.
    #[test]
    fn other_subjects_are_not_read() {
        for subject in [
            "chat.approved.interactive.alice",
            &format!("chat.approved.express.alice.{ID}"),
            &format!("chat.approved.batch.al*ce.{ID}"),
            &format!("chat.approved.batch..{ID}"),
            &format!("chat.approved.batch.alice.{ID}.a.b"),
            "chat.approved.batch.alice.7",
            &format!("chat.request.batch.alice.{ID}"),
        ] {
            assert_eq!(Approved::parse(subject), None, "{subject}");
        }
    }

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
