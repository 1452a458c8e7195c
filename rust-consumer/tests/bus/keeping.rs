//! What is written once, where a cluster's servers say no in their own ways, and whoever lost says what is stored.

use async_nats::jetstream::message::PublishMessage;
use clap::Parser;
use futures_util::StreamExt;
use serde_json::json;
use stile_consumer::bus::Bus as Connection;
use stile_consumer::config::Config;
use stile_consumer::ops::status::Status;

use crate::support::{Bus, Consumer, Request, Standin, free_port};

/// 10071, and 10164 which a cluster says while another's message is on its way to the replicas, are both the
/// answer that there is one. One server never says the second, so it is said in its place here.
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

/// Any of the servers that are named will do: those that are away are passed over.
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
    let mut hearing = bus.approve(&Request::new("Hi")).await;
    assert_eq!(hearing.next().await.event, "done");
    consumer.stop().await;
}
