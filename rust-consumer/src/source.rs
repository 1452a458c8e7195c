//! Where jobs are pulled from: the durable consumers of the stream.

use crate::model::Token;
use crate::subjects::{APPROVED_PREFIX, Line};

/// A line's requests that name one model, or those that name none. All workers that may answer them pull them
/// from one durable consumer of [`CHAT_STREAM`](crate::subjects::CHAT_STREAM).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Source {
    /// Whose requests they are.
    pub line: Line,
    /// The model that they name; `None` where any may answer.
    pub model: Option<Token>,
}

impl Source {
    /// Takes `chat.approved.<lane>.<client>.<id>`, or the same with a model's token behind it, apart; the id is
    /// not looked into.
    #[must_use]
    pub fn parse(subject: &str) -> Option<(Self, &str)> {
        if let Some((line, id)) = Line::parse(APPROVED_PREFIX, subject) {
            return Some((Self { line, model: None }, id));
        }
        let (subject, model) = subject.rsplit_once('.')?;
        let (line, id) = Line::parse(APPROVED_PREFIX, subject)?;
        let model = Some(Token::parse(model)?);
        Some((Self { line, model }, id))
    }

    /// The durable consumer's name. No client's name has a `=`, so none is another's.
    #[must_use]
    pub fn consumer(&self) -> String {
        let line = format!("{}-{}", self.line.lane.name(), self.line.client);
        match &self.model {
            Some(model) => format!("{line}={model}"),
            None => line,
        }
    }

    /// What the durable consumer sees of the stream.
    #[must_use]
    pub fn filter(&self) -> String {
        let any = format!(
            "{APPROVED_PREFIX}{}.{}.*",
            self.line.lane.name(),
            self.line.client
        );
        match &self.model {
            Some(model) => format!("{any}.{model}"),
            None => any,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A source's durable consumer sees its requests, and its name tells lane, client and model.
    #[test]
    fn a_source_has_a_consumer() {
        for (end, consumer, filter) in [
            ("", "batch-http-127", "chat.approved.batch.http-127.*"),
            (
                ".llama-3=2E2",
                "batch-http-127=llama-3=2E2",
                "chat.approved.batch.http-127.*.llama-3=2E2",
            ),
        ] {
            let subject = format!("chat.approved.batch.http-127.x{end}");
            let (source, id) = Source::parse(&subject).unwrap();
            assert_eq!((id, source.line.client.as_str()), ("x", "http-127"));
            assert_eq!(
                (source.consumer().as_str(), source.filter().as_str()),
                (consumer, filter)
            );
        }
    }

    /// Anything that is not exactly an approved subject is none.
    #[test]
    fn other_subjects_are_not_read() {
        for subject in [
            "chat.approved.batch.alice",
            "chat.approved.express.alice.x",
            "chat.approved.batch.alice.x.A",
            "chat.approved.batch.alice.x.*",
            "chat.approved.batch.alice.x.",
            "chat.approved.batch.alice.x.a.b",
            "chat.approved.batch..x.a",
            "chat.event.started.batch.alice.x",
        ] {
            assert_eq!(Source::parse(subject), None, "{subject}");
        }
    }
}
