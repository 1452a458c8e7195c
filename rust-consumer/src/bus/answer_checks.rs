//! The checks of answers, which the filters make.

use std::time::Duration;

use async_nats::Request;
use tokio::time::{Instant, sleep};

use super::Bus;
use crate::contract::messages::{AnswerCheck, AnswerVerdict, Message};
use crate::contract::subjects::{ANSWER_CHECKS, ANSWER_INBOX};
use crate::error::BusError;

/// A filter that has not answered by then may be gone; another one is asked.
const ONE_TRY: Duration = Duration::from_millis(2500);
/// Between two tries.
const WAIT: Duration = Duration::from_millis(100);

impl Bus {
    /// Has one of the filters check an answer, and asks again until `limit` if none does.
    ///
    /// # Errors
    /// [`BusError`]: why the last try failed.
    pub async fn check_answer(
        &self,
        check: &AnswerCheck,
        limit: Duration,
    ) -> Result<AnswerVerdict, BusError> {
        let end = Instant::now() + limit;
        let body = check
            .write()
            .map_err(|error| BusError::Client(error.to_string()))?;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            let inbox = format!("{ANSWER_INBOX}.{}", uuid::Uuid::new_v4().simple());
            let request = Request::new()
                .payload(body.clone())
                .inbox(inbox)
                .timeout(Some(ONE_TRY.min(left)));
            let error = match self.client.send_request(ANSWER_CHECKS, request).await {
                Ok(reply) => match AnswerVerdict::read(&reply.payload) {
                    Ok(verdict) if !verdict.failed => return Ok(verdict),
                    Ok(_) => BusError::Refused("a filter could not make the check".to_owned()),
                    Err(error) => BusError::Refused(error.to_string()),
                },
                Err(error) => match error.kind() {
                    async_nats::RequestErrorKind::NoResponders => {
                        BusError::Missing("a filter that checks answers")
                    }
                    async_nats::RequestErrorKind::TimedOut => BusError::TimedOut,
                    _ => BusError::Refused(error.to_string()),
                },
            };
            if Instant::now() + WAIT >= end {
                return Err(error);
            }
            sleep(WAIT).await;
        }
    }
}
