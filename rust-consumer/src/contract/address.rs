//! The address of a request: what its subject says. A subject is parsed here, once, when its
//! message comes in.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::model::ModelToken;
use super::subjects::{
    APPROVED_PREFIX, CANCELLED_PREFIX, DEAD_PREFIX, FINISHED_PREFIX, LOG_PREFIX, MAX_TOKEN_LENGTH,
    RESULT_PREFIX, STARTED_PREFIX, is_token,
};

/// Which of the two queues a request waits in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
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

/// One client's requests of one lane: the service order goes by these.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ClientQueue {
    /// The lane.
    pub lane: Lane,
    /// The client's name, one token.
    pub client: String,
}

/// A request, whatever its lane and model are.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RequestKey {
    /// The client's name, one token.
    pub client: String,
    /// The request's id.
    pub id: Uuid,
}

impl RequestKey {
    /// Parses `chat.event.cancelled.<client>.<id>`; `None` for any other subject.
    #[must_use]
    pub fn parse_cancelled(subject: &str) -> Option<Self> {
        let (client, id) = subject.strip_prefix(CANCELLED_PREFIX)?.split_once('.')?;
        let client = client.to_owned();
        Uuid::try_parse(id).ok().map(|id| Self { client, id })
    }
}

/// The requests that one durable consumer of the stream `CHAT` hands out: a client queue's requests
/// that name one model, or those that name none. All workers that may answer them pull from it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Durable {
    /// Whose requests they are.
    pub queue: ClientQueue,
    /// The model that they name; `None`: any model may answer.
    pub model: Option<ModelToken>,
}

impl Durable {
    /// Its name. No client's name has a `=`, so no two have the same.
    #[must_use]
    pub fn name(&self) -> String {
        let queue = format!("{}-{}", self.queue.lane.name(), self.queue.client);
        match &self.model {
            Some(model) => format!("{queue}={model}"),
            None => queue,
        }
    }

    /// The subjects that it hands out.
    #[must_use]
    pub fn filter(&self) -> String {
        let (lane, client) = (self.queue.lane.name(), &self.queue.client);
        match &self.model {
            Some(model) => format!("{APPROVED_PREFIX}{lane}.{client}.*.{model}"),
            None => format!("{APPROVED_PREFIX}{lane}.{client}.*"),
        }
    }
}

/// The parts of a request's subject.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    /// The lane.
    pub lane: Lane,
    /// The client's name, one token.
    pub client: String,
    /// The request's id.
    pub id: Uuid,
    /// The model that it names.
    pub model: Option<ModelToken>,
}

impl Address {
    /// Parses `chat.approved.<lane>.<client>.<id>`, with or without a model's token behind it;
    /// `None` for any other subject.
    #[must_use]
    pub fn parse(subject: &str) -> Option<Self> {
        Self::parse_after(APPROVED_PREFIX, subject)
    }

    /// Parses `chat.event.started.<lane>.<client>.<id>`, which names no model; `None` for any other
    /// subject.
    #[must_use]
    pub fn parse_started(subject: &str) -> Option<Self> {
        Self::parse_after(STARTED_PREFIX, subject).filter(|address| address.model.is_none())
    }

    fn parse_after(prefix: &str, subject: &str) -> Option<Self> {
        let mut tokens = subject.strip_prefix(prefix)?.split('.');
        let lane = Lane::parse(tokens.next()?)?;
        let client = tokens
            .next()
            .filter(|client| client.len() <= MAX_TOKEN_LENGTH && is_token(client))?
            .to_owned();
        let text = tokens.next()?;
        // One spelling alone, so that one request has one subject.
        let id = Uuid::try_parse(text)
            .ok()
            .filter(|id| id.to_string() == text)?;
        let model = match tokens.next() {
            Some(model) => Some(ModelToken::parse(model)?),
            None => None,
        };
        tokens.next().is_none().then_some(Self {
            lane,
            client,
            id,
            model,
        })
    }

    /// The client queue that it waits in.
    #[must_use]
    pub fn queue(&self) -> ClientQueue {
        ClientQueue {
            lane: self.lane,
            client: self.client.clone(),
        }
    }

    /// The durable consumer that hands it out.
    #[must_use]
    pub fn durable(&self) -> Durable {
        Durable {
            queue: self.queue(),
            model: self.model.clone(),
        }
    }

    /// The request, whatever its lane and model are.
    #[must_use]
    pub fn key(&self) -> RequestKey {
        RequestKey {
            client: self.client.clone(),
            id: self.id,
        }
    }

    /// The event that a worker has taken it up.
    #[must_use]
    pub fn started(&self) -> String {
        self.subject(STARTED_PREFIX)
    }

    /// The event that it is over, and its worker free.
    #[must_use]
    pub fn finished(&self) -> String {
        self.subject(FINISHED_PREFIX)
    }

    /// The subject of its dead letter.
    #[must_use]
    pub fn dead(&self) -> String {
        self.subject(DEAD_PREFIX)
    }

    /// The subject of its result.
    #[must_use]
    pub fn result(&self) -> String {
        format!("{RESULT_PREFIX}{}.{}", self.client, self.id)
    }

    /// The subject of its record in `CHAT_LOG`.
    #[must_use]
    pub fn log(&self) -> String {
        format!("{LOG_PREFIX}{}.{}", self.client, self.id)
    }

    fn subject(&self, prefix: &str) -> String {
        format!("{prefix}{}.{}.{}", self.lane.name(), self.client, self.id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "01920f3c-7a51-7c3e-8f00-0123456789ab";

    /// What the filter publishes under is read, and every other subject of the request is made of
    /// it.
    #[test]
    fn approved_subjects_are_read() {
        for (end, name, filter) in [
            ("", "batch-http-127", "chat.approved.batch.http-127.*"),
            (
                ".llama-3=2E2",
                "batch-http-127=llama-3=2E2",
                "chat.approved.batch.http-127.*.llama-3=2E2",
            ),
        ] {
            let subject = format!("chat.approved.batch.http-127.{ID}{end}");
            let address = Address::parse(&subject).unwrap();
            let request = format!("batch.http-127.{ID}");
            assert_eq!(address.started(), format!("chat.event.started.{request}"));
            assert_eq!(address.finished(), format!("chat.event.finished.{request}"));
            assert_eq!(address.dead(), format!("chat.dead.{request}"));
            assert_eq!(address.result(), format!("chat.result.http-127.{ID}"));
            assert_eq!(address.log(), format!("chat.log.http-127.{ID}"));
            let durable = address.durable();
            assert_eq!(
                (durable.name().as_str(), &*durable.filter()),
                (name, filter)
            );
        }
    }

    /// The event of a start is read as the request's address, without its model.
    #[test]
    fn starts_are_read() {
        let address = Address::parse(&format!("chat.approved.batch.al.{ID}.m")).unwrap();
        let read = Address::parse_started(&address.started()).unwrap();
        assert_eq!((read.key(), read.model), (address.key(), None));
        let with_model = format!("{}.m", address.started());
        assert_eq!(Address::parse_started(&with_model), None);
    }

    /// A cancellation names the request that an approved subject names.
    #[test]
    fn cancellations_are_read() {
        let address = Address::parse(&format!("chat.approved.batch.al.{ID}")).unwrap();
        let cancelled = RequestKey::parse_cancelled(&format!("chat.event.cancelled.al.{ID}"));
        assert_eq!(cancelled, Some(address.key()));
        assert_eq!(RequestKey::parse_cancelled("chat.event.cancelled.al"), None);
    }

    /// Anything that is not exactly an approved subject is none.
    #[test]
    fn other_subjects_are_not_read() {
        for subject in [
            "chat.approved.interactive.alice",
            "chat.approved.batch.alice.7",
            &format!("chat.approved.express.alice.{ID}"),
            &format!("chat.approved.batch.al*ce.{ID}"),
            &format!("chat.approved.batch..{ID}"),
            &format!("chat.approved.batch.alice.{}", ID.to_uppercase()),
            &format!("chat.approved.batch.alice.{}", ID.replace('-', "")),
            &format!("chat.approved.batch.alice.{ID}.a.b"),
            &format!("chat.approved.batch.alice.{ID}.A"),
            &format!("chat.approved.batch.alice.{ID}.*"),
            &format!("chat.approved.batch.alice.{ID}."),
            &format!("chat.request.batch.alice.{ID}"),
            &format!("chat.event.started.batch.alice.{ID}"),
        ] {
            assert_eq!(Address::parse(subject), None, "{subject}");
        }
    }
}
