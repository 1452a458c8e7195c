#![allow(clippy::needless_pass_by_value)] // `json!` is handed over as it is made

use proptest::prelude::*;
use serde_json::json;

use super::*;

const ID: Uuid = Uuid::from_u128(0x0192_0f3c_7a51_7c3e_8f00_0123_4567_89ab);

fn answer(events: &[Value]) -> (Vec<String>, Result<Reply, ModelError>) {
    let (pieces, reply) = told(events);
    (pieces.into_iter().map(|piece| piece.text).collect(), reply)
}

fn told(events: &[Value]) -> (Vec<TokenEvent>, Result<Reply, ModelError>) {
    let mut answer = Answer::new(ID);
    let mut pieces = Vec::new();
    for event in events {
        match answer.push(event.to_string().as_bytes()) {
            Ok(piece) => pieces.extend(piece),
            Err(error) => return (pieces, Err(error)),
        }
    }
    (pieces, answer.into_reply(ID))
}

fn chunk(delta: Value, reason: Option<&str>) -> Value {
    json!({"model": "/models/some.gguf", "choices": [{"delta": delta, "finish_reason": reason}]})
}

/// A whole stream: a role, thoughts, words, the end, and the counts in a chunk without choices.
#[test]
fn a_stream_becomes_a_reply() {
    let (pieces, reply) = answer(&[
        chunk(json!({"role": "assistant", "content": null}), None),
        chunk(json!({"reasoning_content": "hm"}), None),
        chunk(json!({"content": "Blue"}), None),
        chunk(json!({"content": " sky"}), None),
        chunk(json!({}), Some("length")),
        json!({"model": "x", "choices": [], "timings": {},
               "usage": {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}}),
    ]);
    assert_eq!(pieces, ["", "Blue", " sky"]);
    let reply = reply.unwrap();
    assert_eq!(reply.reasoning_content.as_deref(), Some("hm"));
    assert_eq!(reply.response, "Blue sky");
    assert_eq!(reply.model.as_deref(), Some("some.gguf"));
    assert_eq!(reply.usage.unwrap().completion_tokens, 2);
    assert_eq!(reply.finish_reason, Some(FinishReason::Length));
}

/// Calls are put together by their index. Every delta is passed on, with an id of the worker's own
/// that is the same at every attempt.
#[test]
fn deltas_become_calls() {
    let call = |index: u8, id: Value, arguments: &str| {
        json!({"index": index, "id": id, "type": "function",
               "function": {"name": "f", "arguments": arguments}})
    };
    let more = json!({"index": 0, "function": {"arguments": "}"}});
    let events = [
        chunk(json!({"role": "assistant", "content": null}), None),
        chunk(json!({"tool_calls": [call(0, json!("c1"), "{")]}), None),
        chunk(
            json!({"tool_calls": [more, call(1, Value::Null, "{}")]}),
            None,
        ),
        chunk(json!({}), Some("tool_calls")),
    ];
    let (pieces, reply) = told(&events);
    let reply = reply.unwrap();
    assert_eq!(reply.finish_reason, Some(FinishReason::ToolCalls));
    let calls = reply.tool_calls.unwrap();
    let [first, second] = [&calls[0].id, &calls[1].id];
    assert!(first.starts_with("call_") && first.len() == 37);
    assert_ne!(first, second);
    assert_eq!(
        json!(calls),
        json!([
            {"id": first, "type": "function", "function": {"name": "f", "arguments": "{}"}},
            {"id": second, "type": "function", "function": {"name": "f", "arguments": "{}"}}
        ])
    );
    let deltas: Vec<_> = pieces
        .into_iter()
        .filter_map(|piece| piece.tool_calls)
        .collect();
    assert_eq!(
        json!(deltas),
        json!([
            [call(0, json!(first), "{")],
            [more, call(1, json!(second), "{}")]
        ])
    );
    assert_eq!(told(&events).1.unwrap().tool_calls.unwrap(), calls);
}

/// No text of the model is in a field that no rule reads.
#[test]
fn other_fields_are_left_out() {
    let delta = json!({"index": 0, "id": "darn", "type": "darn", "darn": ["darn"],
                       "function": {"name": "f", "arguments": "{}", "darn": {"a": "darn"}}});
    let again = json!({"index": 0, "id": "darn it", "function": {"name": "f"}});
    let token = json!({"token": "x", "bytes": [100, 97, 114, 110], "darn": "darn", "logprob": -1.5,
                       "top_logprobs": [{"token": "x", "bytes": [120], "top_logprobs": [], "darn": 1}]});
    let choice = json!({"delta": {"tool_calls": [delta, again], "darn": "darn", "refusal": "darn"},
                        "logprobs": {"content": [token], "refusal": ["darn"], "darn": "darn"},
                        "finish_reason": "darn"});
    let (pieces, reply) = told(&[json!({"choices": [choice]})]);
    assert_eq!(
        json!(pieces[0].logprobs),
        json!({"content": [{"token": "x", "logprob": -1.5,
                            "top_logprobs": [{"token": "x", "bytes": [120]}]}]})
    );
    let reply = json!(reply.unwrap());
    assert!(!json!([pieces, reply]).to_string().contains("darn"));
    assert_eq!(
        reply.pointer("/tool_calls/0/function"),
        Some(&json!({"name": "f", "arguments": "{}"}))
    );
}

/// A call out of order, without a name, or with two, is no answer.
#[test]
fn a_broken_call_is_a_failure() {
    let named = json!({"index": 0, "function": {"name": "x"}});
    let other = json!({"index": 0, "function": {"name": "y"}});
    let (_, reply) = told(&[
        chunk(json!({"tool_calls": [named, other]}), None),
        chunk(json!({}), Some("tool_calls")),
    ]);
    assert!(matches!(reply, Err(ModelError::Failed(_))));
    for call in [
        json!({"index": 1, "id": "c", "function": {"name": "x", "arguments": ""}}),
        json!({"index": 0, "id": "c", "function": {"arguments": "{}"}}),
        json!({"index": 0, "function": {"name": 7}}),
    ] {
        let (_, reply) = told(&[
            chunk(json!({"tool_calls": [call]}), None),
            chunk(json!({}), Some("tool_calls")),
        ]);
        assert!(matches!(reply, Err(ModelError::Failed(_))), "{call}");
    }
}

/// The pieces' logprobs are the answer's, in their order; the speeds are llama.cpp's.
#[test]
fn logprobs_and_timings_are_kept() {
    let token = |word: &str| {
        json!({"choices": [{"delta": {"content": word}, "finish_reason": null,
                            "logprobs": {"content": [{"token": word, "logprob": -0.5}]}}]})
    };
    let (pieces, reply) = told(&[
        token("a"),
        token("b"),
        chunk(json!({}), Some("stop")),
        json!({"choices": [], "timings": {"prompt_per_second": 12.5, "predicted_ms": 3}}),
    ]);
    assert!(pieces.iter().all(|piece| piece.logprobs.is_some()));
    let reply = reply.unwrap();
    assert_eq!(
        json!(reply.logprobs),
        json!({"content": [{"token": "a", "logprob": -0.5}, {"token": "b", "logprob": -0.5}]})
    );
    let timings = reply.timings.unwrap();
    assert_eq!(timings.prompt_per_second, Some(12.5));
    assert_eq!((timings.prompt_ms, timings.predicted_ms), (None, Some(3.0)));
}

/// A stream without its end is not an answer, however much text it brought.
#[test]
fn a_stream_that_breaks_off_is_a_failure() {
    let (pieces, reply) = answer(&[chunk(json!({"content": "Blue"}), None)]);
    assert_eq!(pieces, ["Blue"]);
    assert!(matches!(reply, Err(ModelError::Failed(_))));
}

/// A model that thinks until its limit has an answer without text.
#[test]
fn thoughts_alone_are_an_answer() {
    let (pieces, reply) = told(&[
        chunk(json!({"reasoning_content": "Why"}), None),
        chunk(json!({"reasoning_content": " not"}), Some("length")),
    ]);
    let thoughts: Vec<_> = pieces
        .iter()
        .map(|piece| piece.reasoning_content.as_deref())
        .collect();
    assert_eq!(thoughts, [Some("Why"), Some(" not")]);
    let reply = reply.unwrap();
    assert_eq!(reply.response, "");
    assert_eq!(reply.reasoning_content.as_deref(), Some("Why not"));
    assert_eq!(reply.finish_reason, Some(FinishReason::Length));
}

/// The error says how long the conversation is, and how long it may be.
#[test]
fn a_conversation_that_is_too_long_is_told_with_its_numbers() {
    let error = json!({"error": {"type": "exceed_context_size_error", "n_ctx": 2048, "n_prompt_tokens": 4007}});
    let context = Some(Context {
        size: 2048,
        prompt: 4007,
    });
    for told in [
        answer(std::slice::from_ref(&error)).1.unwrap_err(),
        error_answer(400, error.to_string().as_bytes()),
    ] {
        assert!(matches!(told, ModelError::ContextExceeded(numbers) if numbers == context));
        let text = told.to_string();
        assert!(
            text.contains("maximum context length is 2048 tokens"),
            "{text}"
        );
        assert!(text.contains("resulted in 4007 tokens"), "{text}");
    }
}

/// Errors in the middle of a stream are told apart as those before it are.
#[test]
fn errors_are_told_apart() {
    let context = json!({"error": {"code": 400, "type": "exceed_context_size_error"}});
    let other = json!({"error": {"code": 500, "type": "server_error"}});
    assert!(matches!(
        answer(std::slice::from_ref(&context)).1,
        Err(ModelError::ContextExceeded(None))
    ));
    assert!(matches!(
        answer(std::slice::from_ref(&other)).1,
        Err(ModelError::Failed(_))
    ));
    let fault = json!({"error": {"type": "invalid_request_error", "message": "a\n".repeat(400)}});
    let unexplained = json!({"error": {"type": "invalid_request_error"}});
    let refused = error_answer(400, fault.to_string().as_bytes());
    assert!(
        matches!(&refused, ModelError::Refused(reason) if reason.starts_with("a a a ") && reason.len() == 300),
        "{refused}"
    );
    for (status, body, expected) in [
        (400, &fault, "invalid_request"),
        (400, &unexplained, "model_failed"),
        (401, &fault, "model_unavailable"),
        (403, &fault, "model_failed"),
        (500, &fault, "model_failed"),
        (400, &context, "context_length_exceeded"),
        (400, &other, "model_failed"),
        (500, &other, "model_failed"),
        (503, &other, "model_unavailable"),
    ] {
        let error = error_answer(status, body.to_string().as_bytes());
        let code = crate::error::JobError::from(error).code().unwrap();
        assert_eq!(code.name(), expected);
    }
}

/// An answer that never ends does not fill the memory.
#[test]
fn an_endless_answer_is_given_up() {
    let piece = chunk(json!({"content": "x".repeat(1 << 20)}), None);
    let (_, reply) = answer(&[piece.clone(), piece.clone(), piece]);
    assert!(matches!(reply, Err(ModelError::Failed(_))));
}

proptest! {
    /// Whatever llama.cpp may send, it is an answer or a failure.
    #[test]
    fn no_event_makes_it_fail(data: Vec<u8>) {
        let _ = Answer::default().push(&data);
        let _ = error_answer(500, &data);
    }

    /// The pieces are the text.
    #[test]
    fn pieces_join_to_the_response(words in prop::collection::vec("\\PC{1,8}", 0..8)) {
        let mut events: Vec<Value> =
            words.iter().map(|word| chunk(json!({"content": word}), None)).collect();
        events.push(chunk(json!({}), Some("stop")));
        let (pieces, reply) = answer(&events);
        prop_assert_eq!(pieces.concat(), reply.unwrap().response);
    }
}
