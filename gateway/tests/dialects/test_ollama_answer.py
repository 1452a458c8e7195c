"""Stile's answers in Ollama's shapes, held against the types that ollama-python publishes."""

import json

import ollama
import pytest

from harness.parts.answers import CALL, ID, done, reply, started, token
from stile_contracts.messages import (
    AcceptedEvent,
    Refusal,
    Timings,
    ToolCall,
)
from stile_gateway.dialects.ollama.answer import Shape
from stile_gateway.dialects.ollama.request import read_chat, read_generate
from stile_gateway.dialects.ollama.stream import Lines
from stile_gateway.errors import InternalError, ModelNotFoundError, RelayedError
from stile_gateway.requests.events import ReplyEvent

TIMINGS = Timings(prompt_ms=1.5, predicted_ms=20.25)
ASK = {"model": "asked", "messages": [{"role": "user", "content": "Why?"}]}


def chat(**fields):
    return read_chat(json.dumps({**ASK, **fields}).encode())


def generate(**fields):
    return read_generate(json.dumps({"model": "asked", "prompt": "Why?", **fields}).encode())


def stream(*said, call=None):
    """Return every line as ollama-python reads it, and as it is."""
    writer = Lines(call or chat())
    lines = b"".join(writer.event(one) for one in said).splitlines()
    kind = ollama.GenerateResponse if call and not call.is_chat else ollama.ChatResponse
    for line in lines:
        kind.model_validate_json(line)
    return [json.loads(line) for line in lines]


def test_a_whole_answer():
    """Every field is one that ollama-python has; durations are in nanoseconds."""
    whole = Shape(chat()).whole(reply(timings=TIMINGS))
    assert set(whole) <= set(ollama.ChatResponse.model_fields)
    read = ollama.ChatResponse.model_validate(whole)
    assert (read.model, read.message.role, read.message.content) == ("smol:latest", "assistant", "blue sky")
    assert (read.done, read.done_reason) == (True, "stop")
    assert (read.prompt_eval_count, read.eval_count) == (3, 2)
    assert (read.prompt_eval_duration, read.eval_duration) == (1_500_000, 20_250_000)
    assert (read.load_duration, read.total_duration > 0) == (0, True)
    assert read.created_at.endswith("Z")


def test_the_answer_to_a_prompt():
    """Its text is in `response`, whole and streamed."""
    whole = Shape(generate()).whole(reply())
    assert set(whole) <= set(ollama.GenerateResponse.model_fields)
    assert (whole["response"], "message" in whole) == ("blue sky", False)
    lines = stream(started(), token("blue"), token(" sky"), done(reply()), call=generate())
    assert [line["response"] for line in lines] == ["blue", " sky", ""]
    assert [line["done"] for line in lines] == [False, False, True]


def test_what_is_not_known_is_left_out():
    """A worker that tells no times and no counts is not given any."""
    whole = Shape(chat()).whole(reply(usage=None))
    assert not {"eval_count", "eval_duration", "prompt_eval_count", "prompt_eval_duration"} & set(whole)


def test_a_stream():
    """The pieces, then a last line without text; while it waits, its position is on a line of its own."""
    place = ReplyEvent(AcceptedEvent(id=ID, position=2, estimate_seconds=20.5))
    waiting, blue, sky, last = stream(place, started(), token("blue"), token(" sky"), done(reply()))
    assert waiting["stile"] == {"state": "waiting", "position": 2, "estimate_seconds": 20.5}
    assert (waiting["message"]["content"], waiting["done"]) == ("", False)
    assert [piece["message"]["content"] for piece in (blue, sky, last)] == ["blue", " sky", ""]
    assert (last["done"], last["done_reason"], last["eval_count"]) == (True, "stop", 2)
    assert {piece["model"] for piece in (blue, sky, last)} == {"smol:latest"}


def test_a_sign_of_life_is_a_line_that_clients_can_read():
    """An empty line would be an error of ollama-python's."""
    writer = Lines(chat())
    assert ollama.ChatResponse.model_validate_json(writer.keep_alive).message.content == ""


def test_calls_are_told_whole():
    """With arguments as an object, before the last line; their deltas are not told."""
    first = {**CALL, "index": 0, "function": {"name": "weather", "arguments": '{"a"'}}
    more = {"index": 0, "function": {"arguments": ":1}"}}
    answer = reply("", finish_reason="tool_calls", tool_calls=[ToolCall.model_validate(CALL)])
    told = {"id": "c1", "function": {"index": 0, "name": "weather", "arguments": {"a": 1}}}
    calls, last = stream(started(), token(tool_calls=[first]), token(tool_calls=[more]), done(answer))
    assert calls["message"] == {"role": "assistant", "content": "", "tool_calls": [told]}
    assert "tool_calls" not in last["message"]
    whole = Shape(chat()).whole(answer)
    assert whole["message"]["tool_calls"] == [told]
    assert whole["done_reason"] == "stop"
    [call] = ollama.ChatResponse.model_validate(whole).message.tool_calls
    assert call.function.arguments == {"a": 1}


@pytest.mark.parametrize("arguments", ['{"a":', "[]", "x"])
def test_arguments_that_are_no_object_are_the_models_fault(arguments):
    """A small model writes what it likes, and a limit may cut it off."""
    call = {**CALL, "function": {"name": "weather", "arguments": arguments}}
    answer = reply("", tool_calls=[ToolCall.model_validate(call)])
    with pytest.raises(RelayedError) as raised:
        Shape(chat()).whole(answer)
    assert raised.value.code == "model_failed"


@pytest.mark.parametrize(
    ("place", "call", "told"),
    [
        ("messages[0]", chat(), "messages[0]"),
        ("messages[0]", generate(system="Be brief."), "system"),
        ("messages[1]", generate(system="Be brief."), "prompt"),
        ("messages[0]", generate(), "prompt"),
        ("response_format", chat(), "format"),
        ("joined", chat(), "joined"),
    ],
)
def test_a_refusal_is_an_answer_that_was_filtered(place, call, told):
    """Its category stands in an extension field, with the place in the client's own request."""
    refused = reply(
        "No.",
        refused=True,
        finish_reason="content_filter",
        model=None,
        usage=None,
        refusal=Refusal(category="profanity", place=place),
    )
    whole = Shape(call).whole(refused)
    assert whole["stile"] == {"refused": True, "category": "profanity", "place": told}
    assert (whole["done_reason"], whole["model"]) == ("content_filter", "asked:latest")
    text, last = stream(done(refused, 0), call=call)
    assert (last["stile"], last["done_reason"]) == (whole["stile"], "content_filter")
    assert text.get("response", text.get("message", {}).get("content")) == "No."


def test_logprobs_are_told_once():
    """Each piece brings its own; what a gap took comes at the end."""
    logprobs = [{"token": word, "logprob": -0.5, "top_logprobs": []} for word in ("blue", " sky")]
    blue, sky, last = stream(
        started(),
        token("blue", logprobs={"content": logprobs[:1]}),
        done(reply(logprobs={"content": logprobs})),
    )
    assert (blue["logprobs"], sky["logprobs"]) == (logprobs[:1], logprobs[1:])
    assert "logprobs" not in last
    assert Shape(chat()).whole(reply(logprobs={"content": logprobs}))["logprobs"] == logprobs


def test_a_second_attempt_goes_on_where_the_first_stood():
    """What was sent is not sent again; another text ends the stream."""
    again = (token("blu", attempt=2), token("e s", attempt=2), token("ky", attempt=2))
    lines = stream(started(), token("bl"), token("ue"), started(2), *again, done(reply(), 2))
    assert [line["message"]["content"] for line in lines] == ["bl", "ue", " s", "ky", ""]
    with pytest.raises(InternalError):
        stream(started(), token("blue"), started(2), token("red", attempt=2))


@pytest.mark.parametrize("call", [chat(), generate()])
def test_thoughts_are_told_before_the_text(call):
    """In a field of their own, whole and streamed; another attempt's are not told twice."""
    said = (token(reasoning_content="Hm"), token(reasoning_content="."), token("blue sky"))
    again = (started(2), token(attempt=2, reasoning_content="Hm."), token("blue sky", attempt=2))
    answer = reply(reasoning_content="Hm.")
    for events in (said, (*said[:1], *again)):
        lines = [line.get("message", line) for line in stream(started(), *events, done(answer, 2), call=call)]
        assert "".join(line.get("thinking", "") for line in lines) == "Hm."
        assert "".join(line.get("content", line.get("response")) for line in lines) == "blue sky"
    whole = Shape(call).whole(answer)
    assert whole.get("message", whole)["thinking"] == "Hm."


def test_a_request_to_load_is_answered_at_once():
    """As Ollama does it, without a duration."""
    loaded = Shape(read_chat(b'{"model": "smol"}')).loaded()
    assert (loaded["done"], loaded["done_reason"], loaded["message"]["content"]) == (True, "load", "")
    unloaded = Shape(read_generate(b'{"model": "smol", "keep_alive": 0}')).loaded()
    assert (unloaded["done_reason"], unloaded["response"]) == ("unload", "")


def test_an_error_in_a_stream_is_a_line():
    """ollama-python raises what stands in it."""
    line = Lines(chat()).error(ModelNotFoundError("No such model."))
    assert json.loads(line) == {"error": "No such model."}
    assert line.endswith(b"\n")
