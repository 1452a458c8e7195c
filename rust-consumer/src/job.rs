//! An approved request, read off its message: first where its answer goes, then what is asked.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_nats::{HeaderMap, Subject};
use tokio::time::Instant;

use crate::delivery::Delivery;
use crate::error::JobError;
use crate::headers;
use crate::messages::{ApprovedChat, Message, Stage};
use crate::subjects::{Approved, is_reply_allowed};

/// No deadline is further away, so that no clock overflows.
const FURTHEST: Duration = Duration::from_secs(365 * 24 * 3600);

/// What a requester wants to hear: the final reply, and what beside it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Wanted {
    /// Nothing more: it heard that it was accepted, and asks for the outcome itself.
    Accepted,
    /// The final reply alone.
    None,
    /// `started` too.
    State,
    /// Every piece of the answer too.
    Token,
}

/// Whose request it is and where the answer goes: enough to answer it, whatever else is wrong with it.
#[derive(Debug, Clone)]
pub struct Ticket {
    /// The request.
    pub request: Approved,
    /// Which delivery this is, from 1.
    pub attempt: u64,
    /// Where the answer goes; checked. `None` where no place is named.
    pub reply_to: Option<Subject>,
    /// What the requester wants to hear; [`Wanted::None`] where that cannot be read.
    pub wanted: Wanted,
    /// The digest of the client's body, carried on.
    pub body_sha256: Option<String>,
    /// The trace, carried on.
    pub traceparent: Option<String>,
}

impl Ticket {
    /// Reads subject and headers, and nothing else.
    ///
    /// # Errors
    /// [`JobError::ReplyNotAllowed`]; [`JobError::Malformed`] where nobody can be answered.
    pub fn read(delivery: &Delivery) -> Result<Self, JobError> {
        let headers = &delivery.headers;
        let request = Approved::parse(&delivery.subject)
            .ok_or_else(|| JobError::Malformed("the subject".to_owned()))?;
        let reply_to = header(headers, headers::CHAT_REPLY_TO);
        if reply_to.is_some_and(|subject| !is_reply_allowed(subject)) {
            return Err(JobError::ReplyNotAllowed);
        }
        Ok(Self {
            request,
            attempt: delivery.attempt,
            reply_to: reply_to.map(Subject::from),
            wanted: wanted(headers).unwrap_or(Wanted::None),
            body_sha256: header(headers, headers::CHAT_BODY_SHA256).map(str::to_owned),
            traceparent: header(headers, headers::TRACEPARENT).map(str::to_owned),
        })
    }
}

/// What is asked, and until when.
#[derive(Debug)]
pub struct Job {
    /// When the answer is of no use any more.
    pub deadline: Instant,
    /// The conversation.
    pub chat: ApprovedChat,
}

impl Job {
    /// Reads the rest of the message that `ticket` was read from.
    ///
    /// # Errors
    /// [`JobError::Malformed`] names the header or field; [`JobError::DeadlineExceeded`].
    pub fn read(ticket: &Ticket, delivery: &Delivery) -> Result<Self, JobError> {
        let headers = &delivery.headers;
        let id = ticket.request.id.to_string();
        let is_itself = header(headers, headers::CHAT_ID) == Some(id.as_str())
            && header(headers, headers::CHAT_CLIENT) == Some(ticket.request.client.as_str());
        let malformed = |place: &str| JobError::Malformed(place.to_owned());
        if !is_itself {
            return Err(malformed("Chat-Id and Chat-Client are not the subject's"));
        }
        if ticket.reply_to.is_none() {
            return Err(malformed("Chat-Reply-To is missing"));
        }
        if wanted(headers).is_none() {
            return Err(malformed("Chat-Events is not known"));
        }
        let deadline = header(headers, headers::CHAT_DEADLINE).and_then(|text| text.parse().ok());
        let deadline = deadline.ok_or_else(|| malformed("Chat-Deadline is no time"))?;
        let chat = ApprovedChat::read(&delivery.payload)
            .map_err(|error| JobError::Malformed(format!("the body is {error}")))?;
        let left = time_left(deadline, SystemTime::now())
            .ok_or(JobError::DeadlineExceeded(Stage::Waiting))?;
        Ok(Self {
            deadline: Instant::now() + left,
            chat,
        })
    }
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).map(async_nats::HeaderValue::as_str)
}

fn wanted(headers: &HeaderMap) -> Option<Wanted> {
    match header(headers, headers::CHAT_EVENTS) {
        Some("accepted") => Some(Wanted::Accepted),
        None | Some("none") => Some(Wanted::None),
        Some("state") => Some(Wanted::State),
        Some("token") => Some(Wanted::Token),
        Some(_) => None,
    }
}

fn time_left(deadline_millis: u64, now: SystemTime) -> Option<Duration> {
    let now = now.duration_since(UNIX_EPOCH).unwrap_or_default();
    let left = Duration::from_millis(deadline_millis).checked_sub(now)?;
    (!left.is_zero()).then_some(left.min(FURTHEST))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SUBJECT: &str = "chat.approved.batch.alice.01920f3c-7a51-7c3e-8f00-0123456789ab";
    const BODY: &str = r#"{"messages": [{"role": "user", "content": "Hi"}]}"#;

    fn delivery(subject: &str, changed: &[(&str, &str)], body: &'static str) -> Delivery {
        let mut headers = HeaderMap::new();
        let usual = [
            (headers::CHAT_ID, "01920f3c-7a51-7c3e-8f00-0123456789ab"),
            (headers::CHAT_CLIENT, "alice"),
            (headers::CHAT_DEADLINE, "99999999999999"),
            (headers::CHAT_REPLY_TO, "_R_.a.b"),
            (headers::CHAT_EVENTS, "token"),
        ];
        for (name, value) in usual.iter().chain(changed) {
            headers.insert(*name, *value);
        }
        Delivery::for_test(subject, headers, body)
    }

    fn read(delivery: &Delivery) -> Result<Job, JobError> {
        Job::read(&Ticket::read(delivery)?, delivery)
    }

    /// A message as the filter publishes it is read whole.
    #[test]
    fn an_approved_message_is_read() {
        let delivery = delivery(SUBJECT, &[(headers::CHAT_BODY_SHA256, "ab")], BODY);
        let ticket = Ticket::read(&delivery).unwrap();
        assert_eq!(ticket.wanted, Wanted::Token);
        assert_eq!(ticket.reply_to.as_deref(), Some("_R_.a.b"));
        assert_eq!(ticket.body_sha256.as_deref(), Some("ab"));
        assert_eq!(read(&delivery).unwrap().chat.messages.len(), 1);
    }

    /// Whatever is wrong beside the address, the ticket can be answered; the fault is told by its place.
    #[test]
    fn what_is_malformed_can_still_be_answered() {
        for (changed, body, place) in [
            ((headers::CHAT_ID, "other"), BODY, "Chat-Id"),
            ((headers::CHAT_CLIENT, "bob"), BODY, "Chat-Client"),
            ((headers::CHAT_DEADLINE, "soon"), BODY, "Chat-Deadline"),
            ((headers::CHAT_EVENTS, "all"), BODY, "Chat-Events"),
            (
                (headers::CHAT_ID, "01920f3c-7a51-7c3e-8f00-0123456789ab"),
                "{",
                "body",
            ),
            (
                (headers::CHAT_ID, "01920f3c-7a51-7c3e-8f00-0123456789ab"),
                r#"{"messages": []}"#,
                "messages",
            ),
        ] {
            let delivery = delivery(SUBJECT, &[changed], body);
            assert!(Ticket::read(&delivery).is_ok());
            let error = read(&delivery).unwrap_err();
            assert!(
                matches!(&error, JobError::Malformed(reason) if reason.contains(place)),
                "{error}"
            );
        }
    }

    /// A reply subject outside the allowed places, or a foreign subject, is nobody to answer.
    #[test]
    fn nobody_is_answered_where_the_reply_is_not_allowed() {
        let reply = delivery(
            SUBJECT,
            &[(headers::CHAT_REPLY_TO, "chat.approved.batch.a.b")],
            BODY,
        );
        assert!(matches!(
            Ticket::read(&reply),
            Err(JobError::ReplyNotAllowed)
        ));
        let subject = delivery("chat.approved.batch.alice", &[], BODY);
        assert!(matches!(
            Ticket::read(&subject),
            Err(JobError::Malformed(_))
        ));
    }

    /// The deadline is a moment, not a duration; one that is far away is cut, not overflowed.
    #[test]
    fn a_deadline_passes() {
        let now = UNIX_EPOCH + Duration::from_secs(1000);
        assert_eq!(time_left(999_000, now), None);
        assert_eq!(time_left(1_000_000, now), None);
        assert_eq!(time_left(1_002_000, now), Some(Duration::from_secs(2)));
        assert_eq!(time_left(u64::MAX, now), Some(FURTHEST));
        let late = delivery(SUBJECT, &[(headers::CHAT_DEADLINE, "1000")], BODY);
        assert!(matches!(
            read(&late),
            Err(JobError::DeadlineExceeded(Stage::Waiting))
        ));
    }
}
