//! Nothing reaches the model that the filter has not signed, and a forger receives nothing.

use std::time::{Duration, SystemTime};

use async_nats::HeaderMap;
use data_encoding::{BASE64URL_NOPAD, HEXLOWER};
use ring::signature::{Ed25519KeyPair, KeyPair};
use sha2::{Digest, Sha256};
use tempfile::NamedTempFile;
use uuid::Uuid;

use crate::support::{Bus, Consumer, Request, Standin, until};

/// Signs as the filter does (docs/protocol.md, "Signed approvals").
struct Filter {
    pair: Ed25519KeyPair,
    keys: NamedTempFile,
}

/// A message of CHAT.
#[derive(Clone)]
struct Approval {
    subject: String,
    headers: HeaderMap,
    body: String,
}

impl Filter {
    fn new(seed: u8) -> Self {
        let pair = Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).unwrap();
        let keys = NamedTempFile::new().unwrap();
        let filter = Self { pair, keys };
        std::fs::write(filter.keys.path(), filter.line()).unwrap();
        filter
    }

    fn option(&self) -> String {
        format!("--approval-keys={}", self.keys.path().display())
    }

    fn id(&self) -> String {
        HEXLOWER.encode(&Sha256::digest(self.pair.public_key()))[..16].to_owned()
    }

    fn line(&self) -> String {
        let key = BASE64URL_NOPAD.encode(self.pair.public_key().as_ref());
        format!("{} {key}\n", self.id())
    }

    fn sign(&self, request: &Request) -> Approval {
        let (subject, mut headers) = (request.subject(), request.headers());
        let value = |name: &str| headers.get(name).unwrap().as_str();
        let digest = HEXLOWER.encode(&Sha256::digest(&request.body));
        let payload = [
            "stile-approval-v1",
            &subject,
            value("Chat-Reply-To"),
            value("Chat-Deadline"),
            value("Chat-Events"),
            value("Chat-Policy"),
            value("Chat-Body-SHA256"),
            &digest,
        ];
        let signature = self.pair.sign(payload.join("\n").as_bytes());
        headers.insert("Chat-Signature", BASE64URL_NOPAD.encode(signature.as_ref()));
        headers.insert("Chat-Signing-Key", self.id());
        Approval {
            subject,
            headers,
            body: request.body.clone(),
        }
    }
}

impl Approval {
    fn with(&self, header: &str, value: &str) -> Self {
        let mut changed = self.clone();
        changed.headers.insert(header, value);
        changed
    }

    /// Under another subject, with the headers that repeat it.
    fn moved(&self, request: &Request) -> Self {
        let mut moved = self.clone();
        moved.subject = request.subject();
        for name in ["Chat-Id", "Chat-Client", "Chat-Lane"] {
            let value = request.headers().get(name).unwrap().clone();
            moved.headers.insert(name, value);
        }
        moved
    }

    async fn put(&self, bus: &Bus) {
        bus.put(self.subject.clone(), self.headers.clone(), &self.body)
            .await;
    }
}

/// Not signed, signed by another, and a true approval with anything changed: each is terminated,
/// counted, and neither answered nor stored nor generated, and has no event of a start or an end.
/// What the filter has signed is answered all the while.
#[tokio::test]
async fn what_the_filter_has_not_signed_is_dropped() {
    let (bus, model) = (Bus::start().await, Standin::start(&["--tokens", "1"]).await);
    let (filter, other) = (Filter::new(1), Filter::new(2));
    let consumer = Consumer::start(&bus, model.port, &[&filter.option()]);
    let mut victims = bus.listen("_INBOX_gateway.>").await;
    let mut events = bus.listen("chat.event.*.*.*.*").await; // `started` and `finished`
    let attack = |name: &str| Request::new(&format!("forged: {name}"));
    let unsigned = {
        let request = attack("unsigned");
        let (subject, headers) = (request.subject(), request.headers());
        Approval {
            subject,
            headers,
            body: request.body,
        }
    };
    let changed =
        |name: &str, change: &dyn Fn(&Approval) -> Approval| change(&filter.sign(&attack(name)));
    let moved = |lane, client| {
        changed("moved", &|approval| {
            approval.moved(&Request::of("", lane, client))
        })
    };
    let attacks = [
        unsigned,
        other.sign(&attack("another key")),
        other
            .sign(&attack("another key under the filter's name"))
            .with("Chat-Signing-Key", &filter.id()),
        changed("body", &|approval| {
            let body = approval.body.replace("forged", "smuggled");
            Approval {
                body,
                ..approval.clone()
            }
        }),
        changed("reply subject", &|approval| {
            approval.with("Chat-Reply-To", "_INBOX_gateway.test.other")
        }),
        changed("deadline", &|approval| {
            approval.with("Chat-Deadline", "99999999999999")
        }),
        moved("interactive", "alice"),
        moved("interactive", "bob"),
        moved("batch", "alice"),
        changed("client alone", &|approval| {
            approval.with("Chat-Client", "bob")
        }),
    ];
    for approval in &attacks {
        approval.put(&bus).await;
        bus.is_empty().await;
        let outcome = approval.subject.split('.').skip(3).collect::<Vec<_>>();
        let outcome = format!("chat.result.{}", outcome.join("."));
        let stream = bus.context().get_stream("CHAT_RESULT").await.unwrap();
        let stored = stream.direct_get_last_for_subject(outcome).await;
        assert!(stored.is_err(), "{}", approval.subject);
    }
    let honest = filter.sign(&Request::new("honest"));
    honest.put(&bus).await;
    assert_eq!(
        victims.next().await.event,
        "done",
        "nothing was said before"
    );
    for event in ["started", "finished"] {
        let subject = honest
            .subject
            .replace("approved", &format!("event.{event}"));
        assert_eq!(events.message().await.subject.as_str(), subject);
    }
    let prompts = model.prompts().await;
    let prompts: Vec<_> = prompts.iter().map(|(_, prompt)| prompt.as_str()).collect();
    assert_eq!(prompts, ["honest"]);
    let (_, page) = consumer.get("/metrics").await.unwrap();
    let counted = format!("jobs_total{{outcome=\"unsigned\"}} {}", attacks.len());
    assert!(page.contains(&counted), "{page}");
    consumer.stop().await;
}

/// The fourth delivery of a forged message is dropped like its first: no outcome, no reply.
#[tokio::test]
async fn a_forged_message_is_not_given_up_with_a_reply() {
    let (bus, model) = (Bus::start().await, Standin::start(&[]).await);
    let filter = Filter::new(1);
    let request = Request::new("forged");
    let mut replies = bus.approve(&request).await;
    bus.give_back("interactive", "alice", 3).await;
    let consumer = Consumer::start(&bus, model.port, &[&filter.option()]);
    bus.is_empty().await;
    assert_eq!(bus.stored(&request).await, None);
    assert!(replies.is_quiet().await);
    consumer.stop().await;
}

/// A true approval that is put in again generates nothing: while its outcome is kept, that is said
/// again to the signed reply subject; once its deadline has passed, it is terminated.
#[tokio::test]
async fn a_replayed_approval_generates_nothing() {
    let (bus, model) = (Bus::start().await, Standin::start(&["--tokens", "1"]).await);
    let filter = Filter::new(1);
    let consumer = Consumer::start(&bus, model.port, &[&filter.option()]);
    consumer.is_ready().await;
    let request = Request {
        deadline: Duration::from_secs(10),
        ..Request::new("once")
    };
    let end = SystemTime::now() + request.deadline;
    let approval = filter.sign(&request);
    let mut replies = bus.listen(&request.reply_to).await;
    approval.put(&bus).await;
    let answer = replies.next().await;
    assert_eq!(answer.event, "done");
    bus.is_empty().await;
    approval.put(&bus).await;
    assert_eq!(replies.next().await.body, answer.body);
    until("the deadline has passed", async || {
        (SystemTime::now() > end).then_some(())
    })
    .await;
    bus.is_empty().await;
    let results = bus.context().get_stream("CHAT_RESULT").await.unwrap();
    results.purge().await.unwrap(); // its hour has passed
    approval.put(&bus).await;
    bus.is_empty().await;
    assert_eq!(model.prompts().await.len(), 1);
    consumer.stop().await;
}

/// Keys are changed while it runs: the new one counts from its first approval on, the old one until
/// it is taken out of the file.
#[tokio::test]
async fn keys_are_changed_while_it_runs() {
    let (bus, model) = (Bus::start().await, Standin::start(&["--tokens", "1"]).await);
    let (old, new) = (Filter::new(1), Filter::new(2));
    let consumer = Consumer::start(&bus, model.port, &[&old.option()]);
    let answered = async |filter: &Filter| {
        let request = Request::new("Hi");
        let mut replies = bus.listen(&request.reply_to).await;
        filter.sign(&request).put(&bus).await;
        replies.next().await.event == "done"
    };
    assert!(answered(&old).await);
    std::fs::write(old.keys.path(), old.line() + &new.line()).unwrap();
    assert!(answered(&new).await && answered(&old).await);
    std::fs::write(old.keys.path(), new.line()).unwrap();
    let late = Request::of("Hi", "interactive", &Uuid::new_v4().to_string());
    old.sign(&late).put(&bus).await;
    bus.is_empty().await;
    assert_eq!(bus.stored(&late).await, None);
    assert!(answered(&new).await);
    consumer.stop().await;
}
