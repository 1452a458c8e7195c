//! The log of what happened: a record of each request that this service has ended.

use std::time::SystemTime;

use async_nats::HeaderMap;
use async_nats::header::NATS_EXPECTED_LAST_SUBJECT_SEQUENCE;
use futures_util::FutureExt;
use tokio::task::unconstrained;

use super::Bus;
use super::results::ChatResult;
use crate::contract::address::Address;
use crate::contract::messages::{LogRecord, Message, Part};
use crate::ops::clock::millis;

/// How the record treats an earlier one of the same request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Earlier {
    /// It is replaced: the request was worked on since.
    Replaced,
    /// It stays: this worker only found the result.
    Kept,
}

/// The facts of a request that has `result` as its end; the caller adds those of its own work.
#[must_use]
pub fn record(address: &Address, attempt: u64, result: &ChatResult) -> LogRecord {
    let facts = &result.facts;
    let outcome = match (result.error, &facts.place) {
        (Some(code), _) => code.name(),
        (None, Some(_)) => "refused",
        (None, None) => "answered",
    };
    LogRecord {
        id: address.id,
        at_ms: millis(SystemTime::now()).unwrap_or_default(),
        client: address.client.clone(),
        lane: address.lane,
        model: facts.model.clone(),
        outcome: outcome.to_owned(),
        place: facts.place.clone(),
        rule: facts.rule.clone(),
        view: facts.view.clone(),
        wait_seconds: None,
        answer_seconds: None,
        prompt_tokens: facts.usage.map(|usage| usage.prompt_tokens),
        answer_tokens: facts.usage.map(|usage| usage.completion_tokens),
        attempt,
        part: Part::Consumer,
    }
}

impl Bus {
    /// Publishes a record, and waits for nothing: no confirmation is asked for. If so much waits to
    /// be sent that this would have to wait, or if there is no stream, the record is lost.
    pub fn log(&self, address: &Address, record: &LogRecord, earlier: Earlier) {
        let Ok(body) = record.write() else { return };
        let subject = address.log();
        let published = match earlier {
            Earlier::Replaced => unconstrained(self.client.publish(subject, body)).now_or_never(),
            Earlier::Kept => {
                let mut headers = HeaderMap::new();
                headers.insert(NATS_EXPECTED_LAST_SUBJECT_SEQUENCE, "0");
                let publish = self.client.publish_with_headers(subject, headers, body);
                unconstrained(publish).now_or_never()
            }
        };
        if !matches!(published, Some(Ok(()))) {
            tracing::debug!(chat_id = %record.id, "a record of the log was lost");
        }
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::contract::messages::{ErrorReply, Refusal, Reply, Usage};
    use crate::error::ErrorCode;

    const SUBJECT: &str = "chat.approved.batch.alice.01920f3c-7a51-7c3e-8f00-0123456789ab";

    fn reply(text: &str) -> Reply {
        Reply {
            response: text.to_owned(),
            id: Uuid::nil(),
            refused: false,
            model: Some("m".to_owned()),
            usage: Some(Usage {
                prompt_tokens: 3,
                completion_tokens: 4,
                total_tokens: 7,
            }),
            finish_reason: None,
            refusal: None,
            tool_calls: None,
            logprobs: None,
            timings: None,
            reasoning_content: None,
            trimmed: None,
        }
    }

    /// A record says how a request ended, and nothing of its texts.
    #[test]
    fn a_record_has_facts_and_no_text() {
        let address = Address::parse(SUBJECT).unwrap();
        let answer = ChatResult::answer(&reply("SECRET")).unwrap();
        let answered = record(&address, 2, &answer);
        assert_eq!((&*answered.outcome, answered.attempt), ("answered", 2));
        assert_eq!(
            answered.prompt_tokens.zip(answered.answer_tokens),
            Some((3, 4))
        );
        let refusal = Refusal {
            category: "x".to_owned(),
            place: "answer".to_owned(),
        };
        let refused = Reply {
            refused: true,
            refusal: Some(refusal),
            ..reply("SECRET")
        };
        let refused = record(&address, 1, &ChatResult::answer(&refused).unwrap());
        assert_eq!(
            (&*refused.outcome, refused.place.as_deref()),
            ("refused", Some("answer"))
        );
        let error = ErrorReply::of(ErrorCode::Cancelled, "SECRET".to_owned(), Uuid::nil());
        let cancelled = record(&address, 1, &ChatResult::error(&error).unwrap());
        assert_eq!(&*cancelled.outcome, "cancelled");
        for record in [answered, refused, cancelled] {
            let body = record.write().unwrap();
            assert!(!String::from_utf8_lossy(&body).contains("SECRET"));
            assert_eq!(LogRecord::read(&body).unwrap(), record);
        }
    }
}
