//! A job: a delivery that the filter has approved, as far as this service can know.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::time::Instant;

use super::approval::{self, Keys};
use crate::bus::jobs::Delivery;
use crate::contract::headers::{self, Envelope, EventLevel, value};
use crate::contract::messages::{ApprovedChat, Message, Stage};
use crate::error::JobError;

/// No deadline is further away, so that no clock overflows.
const FURTHEST: Duration = Duration::from_secs(365 * 24 * 3600);

/// A verified delivery and its envelope. It is made by [`Job::verify`] alone, and everything that
/// works on a request or sends events of it takes one.
#[derive(Debug)]
pub struct Job<'a> {
    /// As the stream delivered it.
    pub delivery: &'a Delivery,
    /// Enough to answer the request.
    pub envelope: Envelope,
}

/// What is asked, and until when.
#[derive(Debug)]
pub struct GenerationRequest {
    /// When the answer is of no use any more.
    pub deadline: Instant,
    /// The conversation.
    pub chat: ApprovedChat,
}

impl<'a> Job<'a> {
    /// Verifies a delivery before anything else of it is read. Without keys every signature counts.
    ///
    /// # Errors
    /// Nobody can be answered: [`JobError::Forged`]; [`JobError::Malformed`] if the subject is no
    /// request's; [`JobError::ReplyNotAllowed`].
    pub fn verify(delivery: &'a Delivery, keys: Option<&Keys>) -> Result<Self, JobError> {
        if let Some(keys) = keys {
            approval::verify(keys, delivery)?;
        }
        let address = delivery.address.as_ref();
        let address = address.ok_or_else(|| JobError::Malformed("the subject".to_owned()))?;
        let envelope = Envelope::read(address, &delivery.headers, delivery.attempt);
        let envelope = envelope.ok_or(JobError::ReplyNotAllowed)?;
        Ok(Self { delivery, envelope })
    }

    /// Reads the deadline and the conversation.
    ///
    /// # Errors
    /// [`JobError::Malformed`] names the header or field; [`JobError::DeadlineExceeded`].
    pub fn read(&self) -> Result<GenerationRequest, JobError> {
        let header = |name| value(&self.delivery.headers, name);
        let malformed = |what: &str| JobError::Malformed(what.to_owned());
        let address = &self.envelope.address;
        let is_itself = header(headers::CHAT_ID) == Some(address.id.to_string().as_str())
            && header(headers::CHAT_CLIENT) == Some(address.client.as_str());
        if !is_itself {
            return Err(malformed("Chat-Id and Chat-Client are not the subject's"));
        }
        if self.envelope.reply_to.is_none() {
            return Err(malformed("Chat-Reply-To is missing"));
        }
        if EventLevel::read(&self.delivery.headers).is_none() {
            return Err(malformed("Chat-Events is not known"));
        }
        let deadline = header(headers::CHAT_DEADLINE).and_then(|text| text.parse().ok());
        let deadline = deadline.ok_or_else(|| malformed("Chat-Deadline is no time"))?;
        let chat = ApprovedChat::read(&self.delivery.payload)
            .map_err(|error| JobError::Malformed(format!("the body is {error}")))?;
        let left = time_left(deadline, SystemTime::now())
            .ok_or(JobError::DeadlineExceeded(Stage::Waiting))?;
        Ok(GenerationRequest {
            deadline: Instant::now() + left,
            chat,
        })
    }
}

fn time_left(deadline_millis: u64, now: SystemTime) -> Option<Duration> {
    let now = now.duration_since(UNIX_EPOCH).unwrap_or_default();
    let left = Duration::from_millis(deadline_millis).checked_sub(now)?;
    (!left.is_zero()).then_some(left.min(FURTHEST))
}

#[cfg(test)]
mod tests {
    use async_nats::HeaderMap;

    use super::*;

    const ID: &str = "01920f3c-7a51-7c3e-8f00-0123456789ab";
    const SUBJECT: &str = "chat.approved.batch.alice.01920f3c-7a51-7c3e-8f00-0123456789ab";
    const BODY: &str = r#"{"messages": [{"role": "user", "content": "Hi"}]}"#;

    fn delivery(subject: &str, changed: &[(&str, &str)], body: &'static str) -> Delivery {
        let mut headers = HeaderMap::new();
        let usual = [
            (headers::CHAT_ID, ID),
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

    fn read(delivery: &Delivery) -> Result<GenerationRequest, JobError> {
        Job::verify(delivery, None)?.read()
    }

    /// A message as the filter publishes it is read whole.
    #[test]
    fn an_approved_message_is_read() {
        let delivery = delivery(SUBJECT, &[(headers::CHAT_BODY_SHA256, "ab")], BODY);
        let job = Job::verify(&delivery, None).unwrap();
        assert_eq!(job.envelope.level, EventLevel::Token);
        assert_eq!(job.envelope.reply_to.as_deref(), Some("_R_.a.b"));
        assert_eq!(job.envelope.body_sha256.as_deref(), Some("ab"));
        assert_eq!(job.read().unwrap().chat.messages.len(), 1);
    }

    /// Whatever is wrong beside the envelope, the request can be answered; the fault is named by
    /// its place.
    #[test]
    fn what_is_malformed_can_still_be_answered() {
        for (changed, body, place) in [
            ((headers::CHAT_ID, "other"), BODY, "Chat-Id"),
            ((headers::CHAT_CLIENT, "bob"), BODY, "Chat-Client"),
            ((headers::CHAT_DEADLINE, "soon"), BODY, "Chat-Deadline"),
            ((headers::CHAT_EVENTS, "all"), BODY, "Chat-Events"),
            ((headers::CHAT_ID, ID), "{", "body"),
            ((headers::CHAT_ID, ID), "[]", "body"),
            ((headers::CHAT_ID, ID), r#"{"messages": []}"#, "messages"),
        ] {
            let delivery = delivery(SUBJECT, &[changed], body);
            assert!(Job::verify(&delivery, None).is_ok());
            let error = read(&delivery).unwrap_err();
            assert!(
                matches!(&error, JobError::Malformed(reason) if reason.contains(place)),
                "{error}"
            );
        }
    }

    /// If the reply subject is not an allowed one, or the subject no request's, nobody is answered.
    #[test]
    fn nobody_is_answered_where_the_reply_is_not_allowed() {
        let reply = delivery(
            SUBJECT,
            &[(headers::CHAT_REPLY_TO, "chat.approved.batch.a.b")],
            BODY,
        );
        let error = Job::verify(&reply, None).unwrap_err();
        assert!(matches!(error, JobError::ReplyNotAllowed));
        for end in ["", ".7", ".01920F3C-7A51-7C3E-8F00-0123456789AB"] {
            let subject = delivery(&format!("chat.approved.batch.alice{end}"), &[], BODY);
            let error = Job::verify(&subject, None).unwrap_err();
            assert!(matches!(error, JobError::Malformed(_)), "{end}");
        }
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
