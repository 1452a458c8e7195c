//! The checks of answers, which the filters make.

use std::time::Duration;

use async_nats::Request;
use bytes::Bytes;
use tokio::time::{Instant, sleep};

use super::Bus;
use crate::contract::messages::{AnswerCheck, AnswerVerdict, Message};
use crate::contract::subjects::{ANSWER_CHECKS, ANSWER_INBOX};
use crate::error::BusError;

/// A filter that has not answered by then may be gone; another one is asked.
const ONE_TRY: Duration = Duration::from_millis(2500);
/// A filter that has not remembered an answer by then is not waited for.
const REMEMBERED: Duration = Duration::from_secs(1);
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
        let body = written(check)?;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            let asked = self.ask_filter(body.clone(), ONE_TRY.min(left)).await;
            if asked.is_ok() || Instant::now() + WAIT >= end {
                return asked;
            }
            sleep(WAIT).await;
        }
    }

    /// Has one of the filters remember an answer that a client receives, so that the client may
    /// send it back. Without a filter the answer is only not remembered.
    ///
    /// # Errors
    /// [`BusError`]: no filter has remembered it.
    pub async fn remember_answer(&self, answer: &AnswerCheck) -> Result<(), BusError> {
        self.ask_filter(written(answer)?, REMEMBERED).await?;
        Ok(())
    }

    async fn ask_filter(&self, body: Bytes, timeout: Duration) -> Result<AnswerVerdict, BusError> {
        let inbox = format!("{ANSWER_INBOX}.{}", uuid::Uuid::new_v4().simple());
        let request = Request::new()
            .payload(body)
            .inbox(inbox)
            .timeout(Some(timeout));
        match self.client.send_request(ANSWER_CHECKS, request).await {
            Ok(reply) => match AnswerVerdict::read(&reply.payload) {
                Ok(verdict) if !verdict.failed => Ok(verdict),
                Ok(_) => Err(BusError::Refused(
                    "a filter could not make the check".to_owned(),
                )),
                Err(error) => Err(BusError::Refused(error.to_string())),
            },
            Err(error) => Err(match error.kind() {
                async_nats::RequestErrorKind::NoResponders => {
                    BusError::Missing("a filter that checks answers")
                }
                async_nats::RequestErrorKind::TimedOut => BusError::TimedOut,
                _ => BusError::Refused(error.to_string()),
            }),
        }
    }
}

fn written(check: &AnswerCheck) -> Result<Bytes, BusError> {
    check
        .write()
        .map_err(|error| BusError::Client(error.to_string()))
}
