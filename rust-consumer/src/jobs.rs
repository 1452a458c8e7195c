//! The stream of jobs: who has some there, pulling one, holding and settling it.

use std::collections::HashMap;
use std::time::Duration;

use async_nats::Request;
use async_nats::jetstream::consumer::{AckPolicy, PullConsumer, pull};
use async_nats::jetstream::response::Response;
use bytes::Bytes;
use futures_util::StreamExt;
use serde::Deserialize;
use serde_json::json;

use crate::bus::{Bus, QUESTION, bounded};
use crate::delivery::{Delivery, Settlement};
use crate::error::BusError;
use crate::fair::{self, Waiting};
use crate::model::Token;
use crate::source::Source;
use crate::subjects::{APPROVED, CHAT_STREAM};

/// The stream gives a job to another worker after this long without a renewal (DESIGN, decision 4).
pub const LEASE: Duration = Duration::from_secs(10);
/// The last delivery answers that there were too many (docs/adr/0001).
const MAX_DELIVER: i64 = 4;
/// A source's consumer is forgotten after this long without a pull and without a job in hand.
const FORGOTTEN: Duration = Duration::from_secs(300);

#[derive(Deserialize)]
struct Listing {
    state: Subjects,
}

#[derive(Deserialize)]
struct Subjects {
    /// How many messages each holds; left out where there is none.
    #[serde(default)]
    subjects: HashMap<String, u64>,
}

impl Bus {
    /// Asks whose requests for `model`, or for any, lie in the stream: those that wait, and those that are in
    /// somebody's hand.
    ///
    /// # Errors
    /// [`BusError`]: the stream may not be there yet.
    pub async fn waiting(&self, model: Option<&Token>) -> Result<Vec<Waiting>, BusError> {
        let subject = format!("STREAM.INFO.{CHAT_STREAM}");
        let filter = json!({ "subjects_filter": APPROVED });
        let asked = self.context.request(subject, &filter);
        match bounded(QUESTION, asked).await? {
            Response::Ok(Listing { state }) => {
                let subjects = state.subjects.keys().map(String::as_str);
                Ok(fair::lines(subjects, model))
            }
            Response::Err { error } => Err(BusError::Refused(error.to_string())),
        }
    }

    /// Makes the durable consumer of a source; where it is there already, finds it.
    ///
    /// # Errors
    /// [`BusError`]: the stream may not be there.
    pub async fn consumer(&self, source: &Source) -> Result<PullConsumer, BusError> {
        let config = pull::Config {
            durable_name: Some(source.consumer()),
            filter_subject: source.filter(),
            ack_policy: AckPolicy::Explicit,
            ack_wait: LEASE,
            max_deliver: MAX_DELIVER,
            inactive_threshold: FORGOTTEN,
            ..pull::Config::default()
        };
        let made = self.context.create_consumer_on_stream(config, CHAT_STREAM);
        bounded(QUESTION, made).await
    }

    /// Pulls one job; `None` where none waits: its source's are all in somebody's hand.
    ///
    /// A stop waits for this, as a message that is on its way to a pull that nobody listens to any more would
    /// lie there until its lease ends.
    ///
    /// # Errors
    /// [`BusError`]: the consumer, the stream or the bus is away.
    pub async fn pull(&self, consumer: &PullConsumer) -> Result<Option<Delivery>, BusError> {
        let pull = async {
            let mut batch = consumer.fetch().max_messages(1).messages().await?;
            let message = batch.next().await.transpose()?;
            Ok::<_, async_nats::Error>(message)
        };
        let message = bounded(QUESTION, pull).await?;
        Ok(message.and_then(Delivery::of))
    }

    /// Settles a delivery, and waits until the server has said that it knows (`double_ack`).
    ///
    /// # Errors
    /// [`BusError`]; the message may be delivered again.
    pub async fn settle(
        &self,
        delivery: &Delivery,
        settlement: Settlement,
    ) -> Result<(), BusError> {
        match settlement {
            Settlement::Ack => self.tell(delivery, Bytes::from_static(b"+ACK")).await,
            Settlement::Nak(Duration::ZERO) => {
                self.tell(delivery, Bytes::from_static(b"-NAK")).await
            }
            Settlement::Nak(delay) => {
                let body = format!("-NAK {{\"delay\": {}}}", delay.as_nanos());
                self.tell(delivery, body.into()).await
            }
            Settlement::Term(reason) | Settlement::Reject(reason) => {
                self.tell(delivery, format!("+TERM {reason}").into()).await
            }
            Settlement::Leave => Ok(()),
        }
    }

    /// Renews the lease of a delivery, and waits until the server has said that it knows.
    ///
    /// # Errors
    /// [`BusError`]; the lease runs on from its last renewal.
    pub async fn renew(&self, delivery: &Delivery) -> Result<(), BusError> {
        self.tell(delivery, Bytes::from_static(b"+WPI")).await
    }

    /// Says something about a delivery, as a request: the server answers when it knows.
    async fn tell(&self, delivery: &Delivery, body: Bytes) -> Result<(), BusError> {
        let request = Request::new().payload(body);
        bounded(
            QUESTION,
            self.client.send_request(delivery.ack.clone(), request),
        )
        .await
        .map(drop)
    }
}
