//! How a job is held, given back and taken over, and what the bus may do meanwhile.

use std::time::{Duration, SystemTime};

use async_nats::jetstream::message::PublishMessage;
use clap::Parser;
use futures_util::StreamExt;
use serde_json::json;
use stile_consumer::bus::Bus as Connection;
use stile_consumer::config::Config;
use stile_consumer::ops::status::Status;
use stile_consumer::schedule::queue::Queue;
use tokio::time::Instant;

use crate::support::{Bus, Consumer, Request, Standin, free_port, until};

const SLOW: &[&str] = &["--tokens", "20", "--token-seconds", "0.1"];

/// A worker that dies in mid-answer loses nothing: the next one answers, as the second attempt,
/// with the same seed.
#[tokio::test]
async fn a_killed_workers_job_is_taken_over() {
    let (bus, model) = (Bus::start().await, Standin::start(SLOW).await);
    let first = Consumer::start(&bus, model.port, &[]);
    let mut replies = bus.approve(&Request::with_events("Hi", "state")).await;
    model.writes(1).await;
    first.kill().await;
    let second = Consumer::start(&bus, model.port, &[]);
    let reply = replies.all().await;
    let told: Vec<_> = reply
        .iter()
        .map(|reply| (reply.event.as_str(), reply.attempt, reply.seq))
        .collect();
    assert_eq!(told, [("started", 1, 0), ("started", 2, 0), ("done", 2, 1)]);
    assert_eq!(model.outcomes().await, ["cancelled", "done"]);
    let log = model.log().await;
    assert_eq!(log["generations"][0]["seed"], log["generations"][1]["seed"]);
    assert_eq!(log["most_open"], 1);
    second.stop().await;
}

/// An answer that takes longer than the lease (10 s) is held all the while: no second worker takes
/// it.
#[tokio::test]
async fn a_long_generation_keeps_its_lease() {
    let bus = Bus::start().await;
    let model = Standin::start(&["--tokens", "24", "--token-seconds", "0.5"]).await;
    let one = Consumer::start(&bus, model.port, &[]);
    let two = Consumer::start(&bus, model.port, &[]);
    let reply = bus.approve(&Request::new("Hi")).await.next().await;
    assert_eq!((reply.event.as_str(), reply.attempt), ("done", 1));
    assert_eq!(model.outcomes().await, ["done"]);
    one.stop().await;
    two.stop().await;
}

/// Asked to stop, it finishes what it holds and takes nothing more; the next request waits in the
/// stream.
#[tokio::test]
async fn a_stop_finishes_the_job_in_hand() {
    let (bus, model) = (Bus::start().await, Standin::start(SLOW).await);
    let mut consumer = Consumer::start(&bus, model.port, &[]);
    let mut first = bus.approve(&Request::new("first")).await;
    let mut second = bus.approve(&Request::new("second")).await;
    model.writes(1).await;
    consumer.ask_to_stop();
    assert_eq!(first.next().await.event, "done");
    consumer.stop().await;
    assert_eq!(bus.waiting().await, 1);
    assert!(second.is_quiet().await);
}

/// Where there is no time to finish, the job is given back at once and another answers it.
#[tokio::test]
async fn a_stop_without_time_gives_the_job_back() {
    let (bus, model) = (Bus::start().await, Standin::start(SLOW).await);
    let first = Consumer::start(&bus, model.port, &["--shutdown-seconds=0.2"]);
    let mut replies = bus.approve(&Request::new("Hi")).await;
    model.writes(1).await;
    first.stop().await;
    let given_back = Instant::now();
    let second = Consumer::start(&bus, model.port, &[]);
    let reply = replies.next().await;
    assert_eq!((reply.event.as_str(), reply.attempt), ("done", 2));
    assert!(
        given_back.elapsed() < Duration::from_secs(9),
        "it was given back, not left to its lease"
    );
    second.stop().await;
}

/// A stop while it waits for a job swallows none: what arrives meanwhile is there for the next
/// worker at once.
#[tokio::test]
async fn a_stop_while_waiting_swallows_nothing() {
    let (bus, model) = (Bus::start().await, Standin::start(&[]).await);
    let mut first = Consumer::start(&bus, model.port, &[]);
    bus.approve(&Request::new("warm")).await.next().await;
    first.ask_to_stop();
    let mut replies = bus.approve(&Request::new("Hi")).await;
    first.stop().await;
    let began = Instant::now();
    let second = Consumer::start(&bus, model.port, &[]);
    assert_eq!(replies.next().await.event, "done");
    assert!(began.elapsed() < Duration::from_secs(9));
    second.stop().await;
}

/// Streams that are not there yet are waited for.
#[tokio::test]
async fn streams_that_come_later_are_found() {
    let (bus, model) = (Bus::bare().await, Standin::start(&[]).await);
    let consumer = Consumer::start(&bus, model.port, &[]);
    until("it runs", async || consumer.get("/healthz").await).await;
    bus.provision().await;
    assert_eq!(
        bus.approve(&Request::new("Hi")).await.next().await.event,
        "done"
    );
    consumer.stop().await;
}

/// A bus that dies in mid-answer and is back within the lease costs nothing: one generation, one
/// answer.
#[tokio::test]
async fn a_short_outage_of_the_bus_is_ridden_out() {
    let (mut bus, model) = (Bus::start().await, Standin::start(SLOW).await);
    let consumer = Consumer::start(&bus, model.port, &[]);
    let request = Request::new("Hi");
    let mut replies = bus.approve(&request).await;
    model.writes(1).await;
    bus.kill().await;
    bus.restart();
    let reply = replies.next().await;
    assert_eq!((reply.event.as_str(), reply.attempt), ("done", 1));
    assert_eq!(model.outcomes().await, ["done"]);
    assert_eq!(
        bus.approve(&Request::new("next")).await.next().await.event,
        "done"
    );
    consumer.stop().await;
}

/// A worker that cannot renew its lease in time drops the call: another worker may have the job by
/// then.
#[tokio::test]
async fn a_lease_that_cannot_be_renewed_ends_the_call() {
    let mut bus = Bus::start().await;
    let model = Standin::start(&["--tokens", "60", "--token-seconds", "0.5"]).await;
    let consumer = Consumer::start(&bus, model.port, &[]);
    bus.approve(&Request::new("Hi")).await;
    model.writes(1).await;
    bus.kill().await;
    until("the call is dropped", async || {
        (model.outcomes().await == ["cancelled"]).then_some(())
    })
    .await;
    consumer.kill().await;
}

/// A worker whose clock is 640 s ahead or behind nats-server's is not ready for that reason, and
/// takes no job. Another worker answers it.
#[tokio::test]
async fn a_worker_whose_clock_is_off_takes_no_job() {
    let (bus, model) = (Bus::start().await, Standin::start(&[]).await);
    let mut replies = bus.approve(&Request::new("Hi")).await;
    let config = Config::try_parse_from(["stile-consumer", "--nats-url", &bus.url()]).unwrap();
    let ahead: fn() -> SystemTime = || SystemTime::now() + Duration::from_secs(640);
    let behind: fn() -> SystemTime = || SystemTime::now() - Duration::from_secs(640);
    for (clock, is_off) in [(ahead, true), (behind, true), (SystemTime::now, false)] {
        let status = Status::default();
        let connection = Connection::connect(&config, status.clone()).await.unwrap();
        let queue = Queue::new(connection, status.clone(), clock);
        let durables = until("the stream is listed", async || {
            queue.candidates().await.ok()
        })
        .await;
        assert_eq!(durables.is_empty(), is_off);
        let reason = status.now().unready().unwrap_or_default();
        let is_named = reason == "the clock is 640 s off" || reason == "the clock is 639 s off";
        assert_eq!(is_named, is_off, "{reason}");
    }
    let consumer = Consumer::start(&bus, model.port, &[]);
    assert_eq!(replies.next().await.event, "done");
    consumer.stop().await;
}

/// A create-only write: 10071, and 10164, which a cluster answers while another's message is on its
/// way to the replicas, both mean that there is a message. One server never answers the second, so
/// the test answers in its place.
#[tokio::test]
async fn both_refusals_mean_that_there_is_one() {
    let bus = Bus::bare().await;
    let mut asked = bus.client.subscribe("chat.result.>").await.unwrap();
    bus.client.flush().await.unwrap();
    let config = Config::try_parse_from(["stile-consumer", "--nats-url", &bus.url()]).unwrap();
    let connection = Connection::connect(&config, Status::default())
        .await
        .unwrap();
    for (code, expected) in [(10071, Some(false)), (10164, Some(false)), (10077, None)] {
        let create = connection.create_only(
            "CHAT_RESULT",
            "chat.result.alice.x".to_owned(),
            PublishMessage::build().payload("x".into()),
        );
        let refuse = async {
            let message = asked.next().await.unwrap();
            let error = json!({"error": {"code": 400, "err_code": code, "description": "x"}, "stream": "", "seq": 0});
            let to = message.reply.unwrap();
            bus.client
                .publish(to, error.to_string().into())
                .await
                .unwrap();
        };
        let (created, ()) = tokio::join!(create, refuse);
        assert_eq!(created.ok(), expected, "{code}");
    }
}

/// One of the servers that are named is enough: those that are away are passed over.
#[tokio::test]
async fn one_of_several_servers_is_enough() {
    let (bus, model) = (Bus::start().await, Standin::start(&["--tokens", "1"]).await);
    let away = format!(
        "--nats-url=nats://127.0.0.1:{},nats://127.0.0.1:{}",
        free_port(),
        free_port()
    );
    let consumer = Consumer::start(&bus, model.port, &[&away]);
    consumer.is_ready().await;
    let mut replies = bus.approve(&Request::new("Hi")).await;
    assert_eq!(replies.next().await.event, "done");
    consumer.stop().await;
}
