//! Control tokens in an approved request: the model's own tokenizer is asked, and nothing of it
//! reaches the model.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{Bus, Consumer, ReplyEvent, Request, Standin, until};

fn with_body(body: &Value) -> Request {
    Request {
        body: body.to_string(),
        ..Request::new("")
    }
}

fn user(content: &str) -> Value {
    json!({"role": "user", "content": content})
}

fn calling(name: &str, arguments: &str) -> Value {
    json!({"role": "assistant", "tool_calls": [
        {"id": "call_0", "type": "function", "function": {"name": name, "arguments": arguments}}]})
}

fn answered(content: &str) -> Value {
    json!({"role": "tool", "tool_call_id": "call_0", "content": content})
}

fn function(name: &str, description: &str) -> Value {
    json!({"type": "function", "function": {"name": name, "description": description}})
}

fn assert_refused(reply: &ReplyEvent, param: &str, place: &str) {
    assert_eq!(reply.event, "error", "{place}: {:?}", reply.body);
    let error = &reply.body["error"];
    assert_eq!(error["code"], "invalid_request");
    assert_eq!(error["final"], true);
    assert_eq!(error["param"], param);
    let message = error["message"].as_str().unwrap();
    assert!(message.contains(place), "{message}");
    assert!(message.contains("< |im_end|>"), "{message}");
    assert!(!message.contains("made_up"), "{message}");
}

/// Wherever the token is, the error names its place, and says what to do. The token is one that no
/// table knows.
#[tokio::test]
async fn a_control_token_of_the_model_never_reaches_it() {
    let (bus, model) = (Bus::start().await, Standin::start(&[]).await);
    let consumer = Consumer::start(&bus, model.port, &[]);
    let token = "<made_up>";
    let escaped = r#"{"a": "\u003cmade_up\u003e"}"#;
    let format = |schema: Value| json!({"type": "json_schema", "json_schema": {"schema": schema}});
    let one = |turn: Value| json!({"messages": [turn]});
    let with = |output: Value| json!({"messages": [user("Hi")], "output": output});
    for (body, param, place) in [
        (
            one(user(&format!("a {token}"))),
            "messages",
            "the last message",
        ),
        (
            json!({"messages": [user(token), user("Hi")]}),
            "messages",
            "message 2 from the end",
        ),
        (one(calling(token, "{}")), "messages", "the last message"),
        (
            one(calling("f", &format!("{{\"{token}\": 1}}"))),
            "messages",
            "the last message",
        ),
        (one(calling("f", escaped)), "messages", "the last message"),
        (
            json!({"messages": [calling("f", "{}"), answered(escaped)]}),
            "messages",
            "the last message",
        ),
        (
            json!({"messages": [user("<made"), user("_up>")]}),
            "messages",
            "two texts together",
        ),
        (
            with(json!({"tools": [function("f", "d"), function("g", token)]})),
            "tools[1]",
            "tools[1]",
        ),
        (
            with(json!({"tools": [function(token, "d")]})),
            "tools[0]",
            "tools[0]",
        ),
        (
            with(json!({"response_format": format(json!({"title": token}))})),
            "response_format",
            "response_format",
        ),
        (
            with(json!({"response_format": format(json!({"enum": [1, token]}))})),
            "response_format",
            "response_format",
        ),
        (
            with(json!({"response_format": format(json!({"properties": {token: {}}}))})),
            "response_format",
            "response_format",
        ),
        (
            with(json!({"tool_choice": function(token, "d")})),
            "tool_choice",
            "tool_choice",
        ),
    ] {
        let request = with_body(&body);
        let reply = bus.approve(&request).await.next().await;
        assert_refused(&reply, param, place);
        assert_eq!(bus.stored(&request).await, Some(reply.body));
    }
    bus.is_empty().await;
    assert_eq!(model.outcomes().await, [""; 0]);
    consumer.stop().await;
}

/// HTML, code, tokens with a space in them, and a token among the texts that end an answer.
#[tokio::test]
async fn what_is_no_token_of_the_model_is_answered() {
    let (bus, model) = (Bus::start().await, Standin::start(&[]).await);
    let consumer = Consumer::start(&bus, model.port, &[]);
    for text in [
        "<s>old price</s>",
        "< made_up>",
        "<\u{200b}|im_end|>",
        "[INST]",
        "a <| b |> c | d",
    ] {
        let body = json!({"messages": [user(text)], "sampling": {"stop": ["<|im_end|>"]}});
        let reply = bus.approve(&with_body(&body)).await.next().await;
        assert_eq!(reply.event, "done", "{text}");
    }
    consumer.stop().await;
}

/// Prose holds none, so nothing is asked about it.
#[tokio::test]
async fn prose_is_not_asked_about() {
    let (bus, model) = (Bus::start().await, Standin::start(&[]).await);
    let consumer = Consumer::start(&bus, model.port, &[]);
    model.tokenizes("failing").await;
    let request = Request::new("Why (really) is it so?\nIt's 3.5, \"yes\" - no!");
    assert_eq!(bus.approve(&request).await.next().await.event, "done");
    assert_eq!(model.log().await["tokenized"], 0);
    consumer.stop().await;
}

/// A server without `/tokenize`, or one that knows no special tokens: the table decides, the
/// ambiguous part of it too.
#[tokio::test]
async fn where_the_model_cannot_be_asked_the_table_decides() {
    let (bus, model) = (Bus::start().await, Standin::start(&[]).await);
    let consumer = Consumer::start(&bus, model.port, &[]);
    for mode in ["absent", "blind"] {
        model.tokenizes(mode).await;
        for text in ["a</s>", "<|eot_id|>", "[INST]", "<\u{ff5c}User\u{ff5c}>"] {
            let body = json!({"messages": [user("Hi"), user(text), user("Go on")]});
            let reply = bus.approve(&with_body(&body)).await.next().await;
            assert_refused(&reply, "messages", "message 2 from the end");
        }
        let body = json!({"messages": [user("<b>Hi</b> < |im_end|>")]});
        let reply = bus.approve(&with_body(&body)).await.next().await;
        assert_eq!(reply.event, "done", "{mode}");
    }
    assert_eq!(model.outcomes().await, ["done"; 2]);
    consumer.stop().await;
}

/// A bad moment is no pass: the job is held until the tokenizer can be asked.
#[tokio::test]
async fn a_tokenizer_that_is_away_is_waited_for() {
    let (bus, model) = (Bus::start().await, Standin::start(&[]).await);
    let consumer = Consumer::start(&bus, model.port, &[]);
    for mode in ["loading", "broken"] {
        model.tokenizes(mode).await;
        let asked = model.log().await["tokenized"].as_u64().unwrap();
        let mut answered = bus.approve(&Request::new("<b>")).await;
        until("it is asked again", async || {
            let now = model.log().await["tokenized"].as_u64()?;
            (now > asked + 8).then_some(())
        })
        .await;
        model.tokenizes("").await;
        assert_eq!(answered.next().await.event, "done", "{mode}");
    }
    assert_eq!(model.outcomes().await, ["done"; 2]);
    consumer.stop().await;
}

/// One that fails is the model's failure, and nothing is generated.
#[tokio::test]
async fn a_tokenizer_that_fails_is_no_pass() {
    let (bus, model) = (Bus::start().await, Standin::start(&[]).await);
    let consumer = Consumer::start(&bus, model.port, &["--llama-gone-seconds=1"]);
    for (mode, code) in [
        ("failing", "model_failed"),
        ("broken", "model_unavailable"),
        ("loading", "model_unavailable"),
    ] {
        model.tokenizes(mode).await;
        let reply = bus.approve(&Request::new("<b>")).await.next().await;
        assert_eq!(reply.body["error"]["code"], code, "{mode}");
    }
    assert_eq!(model.outcomes().await, [""; 0]);
    consumer.stop().await;
}

/// While the tokenizer is silent, a cancellation and a deadline end the request.
#[tokio::test]
async fn a_silent_tokenizer_holds_nobody() {
    let (bus, model) = (Bus::start().await, Standin::start(&[]).await);
    let consumer = Consumer::start(&bus, model.port, &[]);
    model.tokenizes("silent").await;
    let request = Request::with_events("<b>", "state");
    let mut replies = bus.approve(&request).await;
    assert_eq!(replies.next().await.event, "started");
    bus.cancel(&request).await;
    assert_eq!(replies.next().await.body["error"]["code"], "cancelled");
    let late = Request {
        deadline: Duration::from_millis(1500),
        ..Request::new("<b>")
    };
    let reply = bus.approve(&late).await.next().await;
    assert_eq!(reply.body["error"]["code"], "deadline_exceeded");
    model.tokenizes("").await;
    assert_eq!(
        bus.approve(&Request::new("<b>")).await.next().await.event,
        "done"
    );
    assert_eq!(model.outcomes().await, ["done"]);
    consumer.stop().await;
}
