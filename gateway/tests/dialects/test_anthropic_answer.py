"""Stile's answers in Anthropic's shapes, held against the types that its Python package publishes."""

import json

import pytest
from anthropic.types import Message, MessageTokensCount, RawMessageStreamEvent
from anthropic.types.shared.error_response import ErrorResponse
from pydantic import TypeAdapter

from harness.parts.answers import CALL, ID, done, reply, started, token
from stile_contracts.errors import ERRORS
from stile_contracts.messages import (
    AcceptedEvent,
    ErrorReply,
    Refusal,
    ToolCall,
)
from stile_gateway.dialects.anthropic.answer import count, message
from stile_gateway.dialects.anthropic.errors import anthropic_error
from stile_gateway.dialects.anthropic.request import read_count, read_messages
from stile_gateway.dialects.anthropic.stream import BlockEvents
from stile_gateway.dialects.faults import foreign_status
from stile_gateway.errors import InternalError, InvalidRequestError, RelayedError
from stile_gateway.requests.events import ReplyEvent

OTHER = {"id": "", "type": "function", "function": {"name": "time", "arguments": ""}}
BODY = {"model": "asked", "messages": [{"role": "user", "content": "Why?"}]}
ASKED = read_messages(json.dumps({**BODY, "max_tokens": 5, "system": "Be brief."}).encode())
EVENT = TypeAdapter(RawMessageStreamEvent)


def calls(*said):
    return [ToolCall.model_validate(one) for one in said]


def stream(*said):
    """Return every event's data; each is one that Anthropic's package reads, and named by its type."""
    writer = BlockEvents(ID, ASKED)
    blocks = b"".join(writer.event(one) for one in said).decode().split("\n\n")
    events = []
    for block in blocks:
        if not block or block.startswith(":"):
            continue
        name, data = block.split("\n")
        events.append(json.loads(data.removeprefix("data: ")))
        assert name == f"event: {events[-1]['type']}"
        EVENT.validate_python(events[-1])
    return events


def test_a_whole_answer():
    """Every field is one that Anthropic's package has."""
    whole = message(reply(), ASKED)
    assert set(whole) <= set(Message.model_fields)
    Message.model_validate(whole)
    assert whole == {
        "id": f"msg_{ID}",
        "type": "message",
        "role": "assistant",
        "model": "smol",
        "content": [{"type": "text", "text": "blue sky"}],
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": {"input_tokens": 3, "output_tokens": 2},
    }


def test_calls_are_blocks():
    """After the text; a call without an id gets one, and one without arguments an empty object."""
    whole = message(reply("I look.", finish_reason="tool_calls", tool_calls=calls(CALL, OTHER)), ASKED)
    Message.model_validate(whole)
    assert whole["stop_reason"] == "tool_use"
    assert whole["content"] == [
        {"type": "text", "text": "I look."},
        {"type": "tool_use", "id": "c1", "name": "weather", "input": {"a": 1}},
        {"type": "tool_use", "id": f"toolu_{ID.hex}_1", "name": "time", "input": {}},
    ]
    silent = message(reply("", finish_reason="tool_calls", tool_calls=calls(CALL)), ASKED)
    assert [block["type"] for block in silent["content"]] == ["tool_use"]


@pytest.mark.parametrize("arguments", ['{"a":', "[]", "x"])
def test_arguments_that_are_no_object_are_the_models_fault(arguments):
    """A small model writes what it likes, and a limit may cut it off."""
    call = {**CALL, "function": {"name": "weather", "arguments": arguments}}
    with pytest.raises(RelayedError) as raised:
        message(reply("", tool_calls=calls(call)), ASKED)
    assert raised.value.code == "model_failed"


@pytest.mark.parametrize(
    ("finish_reason", "stop_reason"), [("stop", "end_turn"), ("length", "max_tokens"), (None, "end_turn")]
)
def test_why_it_stopped(finish_reason, stop_reason):
    """In Anthropic's words, whole and streamed."""
    answer = reply(finish_reason=finish_reason)
    assert message(answer, ASKED)["stop_reason"] == stop_reason
    assert stream(started(), done(answer))[-2]["delta"]["stop_reason"] == stop_reason


def test_a_stream():
    """One message, one block of text, the counts at the end; positions are comments."""
    place = ReplyEvent(AcceptedEvent(id=ID, position=2, estimate_seconds=20.5))
    assert BlockEvents(ID, ASKED).event(place) == b": position 2, about 21 s\n\n"
    begin, start, blue, sky, stop, end, last = stream(
        place, started(), token("blue"), token(" sky"), done(reply())
    )
    assert (begin["message"]["id"], begin["message"]["model"]) == (f"msg_{ID}", "smol")
    assert (start["index"], start["content_block"]) == (0, {"type": "text", "text": ""})
    assert [one["delta"] for one in (blue, sky)] == [
        {"type": "text_delta", "text": "blue"},
        {"type": "text_delta", "text": " sky"},
    ]
    assert (stop["type"], stop["index"]) == ("content_block_stop", 0)
    assert end["delta"] == {"stop_reason": "end_turn", "stop_sequence": None}
    assert end["usage"] == {"input_tokens": 3, "output_tokens": 2}
    assert last == {"type": "message_stop"}


def test_an_empty_answer_has_a_block():
    """As a whole answer has one."""
    kinds = [event["type"] for event in stream(started(), done(reply("")))]
    assert kinds[1:3] == ["content_block_start", "content_block_stop"]
    assert message(reply(""), ASKED)["content"] == [{"type": "text", "text": ""}]


def test_thoughts_are_a_block():
    """Before the text, whole and streamed; one that thought until its limit has an empty text."""
    answer = reply(reasoning_content="Hm.")
    whole = message(answer, ASKED)
    Message.model_validate(whole)
    assert [block["type"] for block in whole["content"]] == ["thinking", "text"]
    events = stream(started(), token(reasoning_content="Hm"), token("blue sky"), done(answer_of("Hm")))
    told = [event["content_block"]["type"] for event in events if "content_block" in event]
    assert told == ["thinking", "text"]
    assert events[2]["delta"] == {"type": "thinking_delta", "thinking": "Hm"}
    limit = stream(
        started(), token(reasoning_content="Hm"), done(answer_of("Hm", "", finish_reason="length"))
    )
    assert [event["index"] for event in limit if event["type"] == "content_block_stop"] == [0, 1]
    assert limit[-2]["delta"]["stop_reason"] == "max_tokens"


def answer_of(thought, text="blue sky", **fields):
    return reply(text, reasoning_content=thought, **fields)


def test_streamed_calls_are_blocks():
    """Each has its own, opened when it begins and closed before the next; a gap is filled at the end."""
    first = {**CALL, "index": 0, "function": {"name": "weather", "arguments": '{"a"'}}
    answer = reply("I look.", finish_reason="tool_calls", tool_calls=calls(CALL, OTHER))
    events = stream(started(), token("I look."), token(tool_calls=[first]), done(answer))
    told = [(event["type"].removeprefix("content_block_"), event.get("index")) for event in events[1:-2]]
    assert told == [
        ("start", 0),
        ("delta", 0),
        ("stop", 0),
        ("start", 1),
        ("delta", 1),
        ("delta", 1),
        ("stop", 1),
        ("start", 2),
        ("stop", 2),
    ]
    started_calls = [event["content_block"] for event in events if "content_block" in event][1:]
    assert started_calls == [
        {"type": "tool_use", "id": "c1", "name": "weather", "input": {}},
        {"type": "tool_use", "id": f"toolu_{ID.hex}_1", "name": "time", "input": {}},
    ]
    deltas = [event["delta"]["partial_json"] for event in events[5:7]]
    assert deltas == ['{"a"', ":1}"]
    assert events[-2]["delta"]["stop_reason"] == "tool_use"


@pytest.mark.parametrize(
    ("place", "told"),
    [
        ("messages[0]", "system"),
        ("messages[1]", "messages[0]"),
        ("response_format", "output_config.format"),
        ("tools[0]", "tools[0]"),
    ],
)
def test_a_refusal_is_an_answer(place, told):
    """Its category and the place in the client's own request stand in an extension field."""
    refused = reply(
        "No.",
        refused=True,
        finish_reason="content_filter",
        model=None,
        usage=None,
        refusal=Refusal(category="profanity", place=place),
    )
    whole = message(refused, ASKED)
    Message.model_validate(whole)
    assert whole["stile"] == {"refused": True, "category": "profanity", "place": told}
    assert (whole["stop_reason"], whole["stop_details"]["type"]) == ("refusal", "refusal")
    assert (whole["content"], whole["model"]) == ([{"type": "text", "text": "No."}], "asked")
    end = stream(done(refused, 0))[-2]
    assert (end["delta"]["stop_reason"], end["delta"]["stile"]) == ("refusal", whole["stile"])


def test_a_count():
    """It is the model's own; of what the filter refuses there is none."""
    asked = read_count(json.dumps(BODY).encode())
    assert MessageTokensCount.model_validate(count(reply(), asked)).input_tokens == 3
    refused = reply(refused=True, refusal=Refusal(category="profanity", place="messages[0]"))
    with pytest.raises(InvalidRequestError) as raised:
        count(refused, asked)
    assert raised.value.param == "messages[0]"
    with pytest.raises(InternalError):
        count(reply(usage=None), asked)


def test_a_second_attempt_goes_on_where_the_first_stood():
    """What was sent is not sent again; another text, or other calls, end the stream."""
    again = (token("blu", attempt=2), token("e s", attempt=2), token("ky", attempt=2))
    events = stream(started(), token("bl"), token("ue"), started(2), *again, done(reply(), 2))
    text = [event["delta"]["text"] for event in events if event["type"] == "content_block_delta"]
    assert text == ["bl", "ue", " s", "ky"]
    assert [event["type"] for event in events].count("message_start") == 1
    with pytest.raises(InternalError):
        stream(started(), token("blue"), started(2), token("red", attempt=2))
    other = {**CALL, "index": 0, "id": "other"}
    with pytest.raises(InternalError):
        stream(started(), token(tool_calls=[other]), started(2), done(reply("", tool_calls=calls(CALL)), 2))


@pytest.mark.parametrize("code", ERRORS)
def test_every_error_has_a_type_of_anthropics(code):
    """And a status that goes with it; Anthropic documents one type more than its package has."""
    error = RelayedError(ErrorReply.of(code, "So it is."))
    body = json.loads(anthropic_error(error))
    assert set(body) == {"type", "error", "request_id"}
    assert foreign_status(error) == (400 if ERRORS[code].status == 422 else ERRORS[code].status)
    if foreign_status(error) == 413:
        assert body["error"].pop("type") == "request_too_large"
        body["error"]["type"] = "invalid_request_error"
    read = ErrorResponse.model_validate(body)
    assert read.error.message.endswith("So it is.")


def test_an_error_in_a_stream_is_an_event():
    """By the name that Anthropic's clients look for."""
    name, data = BlockEvents(ID, ASKED).error(InternalError("Oh.")).decode().strip().split("\n")
    assert name == "event: error"
    assert json.loads(data.removeprefix("data: "))["error"] == {"type": "api_error", "message": "Oh."}
