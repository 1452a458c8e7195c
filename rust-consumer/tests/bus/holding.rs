//! How a job is held, given back, and taken over.

use std::time::Duration;

use tokio::time::Instant;

use crate::support::{Bus, Consumer, Request, Standin, until};

const SLOW: &[&str] = &["--tokens", "20", "--token-seconds", "0.1"];

/// A worker that dies in mid-answer loses nothing: the next one answers, as the second attempt, with the
/// same seed.
#[tokio::test]
async fn a_killed_workers_job_is_taken_over() {
    let (bus, model) = (Bus::start().await, Standin::start(SLOW).await);
    let first = Consumer::start(&bus, model.port, &[]);
    let mut hearing = bus.approve(&Request::hearing("Hi", "state")).await;
    model.writes(1).await;
    first.kill().await;
    let second = Consumer::start(&bus, model.port, &[]);
    let heard = hearing.all().await;
    let told: Vec<_> = heard
        .iter()
        .map(|heard| (heard.event.as_str(), heard.attempt, heard.seq))
        .collect();
    assert_eq!(told, [("started", 1, 0), ("started", 2, 0), ("done", 2, 1)]);
    assert_eq!(model.outcomes().await, ["cancelled", "done"]);
    let log = model.log().await;
    assert_eq!(log["generations"][0]["seed"], log["generations"][1]["seed"]);
    assert_eq!(log["most_open"], 1);
    second.stop().await;
}

/// An answer that takes longer than the lease (10 s) is held all the while: no second worker takes it.
#[tokio::test]
async fn a_long_generation_keeps_its_lease() {
    let bus = Bus::start().await;
    let model = Standin::start(&["--tokens", "24", "--token-seconds", "0.5"]).await;
    let one = Consumer::start(&bus, model.port, &[]);
    let two = Consumer::start(&bus, model.port, &[]);
    let heard = bus.approve(&Request::new("Hi")).await.next().await;
    assert_eq!((heard.event.as_str(), heard.attempt), ("done", 1));
    assert_eq!(model.outcomes().await, ["done"]);
    one.stop().await;
    two.stop().await;
}

/// Asked to stop, it finishes what it holds and takes nothing more; the next request waits in the stream.
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
    let mut hearing = bus.approve(&Request::new("Hi")).await;
    model.writes(1).await;
    first.stop().await;
    let given_back = Instant::now();
    let second = Consumer::start(&bus, model.port, &[]);
    let heard = hearing.next().await;
    assert_eq!((heard.event.as_str(), heard.attempt), ("done", 2));
    assert!(
        given_back.elapsed() < Duration::from_secs(9),
        "it was given back, not left to its lease"
    );
    second.stop().await;
}

/// A stop while it waits for a job swallows none: what arrives meanwhile is there for the next worker at once.
#[tokio::test]
async fn a_stop_while_waiting_swallows_nothing() {
    let (bus, model) = (Bus::start().await, Standin::start(&[]).await);
    let mut first = Consumer::start(&bus, model.port, &[]);
    bus.approve(&Request::new("warm")).await.next().await;
    first.ask_to_stop();
    let mut hearing = bus.approve(&Request::new("Hi")).await;
    first.stop().await;
    let began = Instant::now();
    let second = Consumer::start(&bus, model.port, &[]);
    assert_eq!(hearing.next().await.event, "done");
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

/// A bus that dies in mid-answer and is back within the lease costs nothing: one generation, one answer.
#[tokio::test]
async fn a_short_outage_of_the_bus_is_ridden_out() {
    let (mut bus, model) = (Bus::start().await, Standin::start(SLOW).await);
    let consumer = Consumer::start(&bus, model.port, &[]);
    let request = Request::new("Hi");
    let mut hearing = bus.approve(&request).await;
    model.writes(1).await;
    bus.kill().await;
    bus.restart();
    let heard = hearing.next().await;
    assert_eq!((heard.event.as_str(), heard.attempt), ("done", 1));
    assert_eq!(model.outcomes().await, ["done"]);
    assert_eq!(
        bus.approve(&Request::new("next")).await.next().await.event,
        "done"
    );
    consumer.stop().await;
}

/// A worker that cannot renew its lease in time drops the call: nobody knows who has the job by then.
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
