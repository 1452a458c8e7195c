"""Responses and their events, held against openai-python's own types: pure, without a bus."""

import json

import pytest
from openai.types.responses import Response, ResponseStreamEvent
from pydantic import TypeAdapter

from harness.parts.answers import CALL, ID, reply, started, token
from stile_contracts.errors import ErrorCode
from stile_contracts.messages import (
    AcceptedEvent,
    ErrorReply,
    Refusal,
    ToolCall,
)
from stile_gateway.dialects.responses.answer import Shape
from stile_gateway.dialects.responses.call import Earlier, Record, make_call
from stile_gateway.dialects.responses.request import read_response
from stile_gateway.dialects.responses.stream import ResponseEvents
from stile_gateway.errors import InternalError, InvalidRequestError, RelayedError
from stile_gateway.requests.events import ReplyEvent

EVENT = TypeAdapter(ResponseStreamEvent)
ASK = {
    "model": "asked",
    "input": "Why?",
    "instructions": "Be short.",
    "metadata": {"a": "b"},
    "tools": [{"type": "function", "name": "weather", "parameters": {"type": "object"}}],
    "tool_choice": {"type": "function", "name": "weather"},
    "text": {"format": {"type": "json_schema", "name": "x", "schema": {"type": "object"}}},
}
OTHER = {**CALL, "id": "c2"}


def shape(**fields):
    asked = read_response(json.dumps({**ASK, **fields}).encode())
    return Shape(ID, make_call(asked, Earlier()).record)


def checked(response):
    """Return a response as openai-python reads it, every field of it validated."""
    return Response.model_validate(json.loads(json.dumps(response)))


def parsed(written):
    """Return the events of a stream, each validated by its type, its name and its number."""
    events = []
    for block in written.decode().split("\n\n")[:-1]:
        name, data = block.split("\n")
        fields = json.loads(data.removeprefix("data: "))
        assert name == f"event: {fields['type']}"
        EVENT.validate_python(fields)
        events.append(fields)
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    return events


def stream(*said):
    writer = ResponseEvents(shape())
    return parsed(b"".join(writer.event(one) for one in said))


def names(events):
    return [event["type"].removeprefix("response.") for event in events]


def test_a_whole_answer():
    """What was asked is repeated, the text is one message, the counts have their names here."""
    response = checked(shape().done(reply()))
    assert (response.id, response.status, response.model) == (f"resp_{ID}", "completed", "smol")
    assert response.output_text == "blue sky"
    assert (response.usage.input_tokens, response.usage.output_tokens, response.usage.total_tokens) == (
        3,
        2,
        5,
    )
    assert (response.instructions, response.metadata) == ("Be short.", {"a": "b"})
    assert response.tools[0].name == response.tool_choice.name == "weather"
    assert response.text.format.schema_ == {"type": "object"}


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"finish_reason": "length"}, "max_output_tokens"),
        ({"refused": True, "refusal": Refusal(category="profanity", place="prompt")}, "content_filter"),
    ],
)
def test_an_answer_that_is_not_whole(fields, reason):
    """It is incomplete and says why, streamed too; a refusal has its category beside it."""
    whole = shape().done(reply(**fields))
    response = checked(whole)
    assert (response.status, response.incomplete_details.reason) == ("incomplete", reason)
    assert response.output[0].status == "incomplete"
    assert response.output_text == "blue sky"
    assert ("stile" in whole) == (reason == "content_filter")
    last = stream(ReplyEvent(reply(**fields)))[-1]
    assert (last["type"], last["response"]) == ("response.incomplete", whole)


def test_a_stream():
    """Every event in OpenAI's order; the last one has the whole response."""
    accepted = ReplyEvent(AcceptedEvent(id=ID, position=2, estimate_seconds=4.0))
    events = stream(accepted, started(), token("blue"), token(" sky"), ReplyEvent(reply(), 1))
    assert names(events) == [
        "created",
        "queued",
        "in_progress",
        "output_item.added",
        "content_part.added",
        "output_text.delta",
        "output_text.delta",
        "output_text.done",
        "content_part.done",
        "output_item.done",
        "completed",
    ]
    assert events[1]["stile"] == {"position": 2, "estimate_seconds": 4.0}
    assert events[7]["text"] == "blue sky"
    assert events[9]["item"] == events[10]["response"]["output"][0]
    assert events[10]["response"] == shape().done(reply())
    assert len({event["item_id"] for event in events[4:9]}) == 1


def test_thoughts():
    """They are an item before the text, which ends before the text begins."""
    answer = reply(reasoning_content="Why not?")
    events = stream(
        started(),
        token(reasoning_content="Why "),
        token(reasoning_content="not?"),
        token("blue"),
        ReplyEvent(answer, 1),
    )
    assert names(events)[2:10] == [
        "output_item.added",
        "content_part.added",
        "reasoning_text.delta",
        "reasoning_text.delta",
        "reasoning_text.done",
        "content_part.done",
        "output_item.done",
        "output_item.added",
    ]
    response = checked(events[-1]["response"])
    assert [item.type for item in response.output] == ["reasoning", "message"]
    assert (response.output[0].content[0].text, response.output_text) == ("Why not?", "blue sky")
    ended = [event for event in events if event["type"] == "response.output_item.done"]
    assert [event["item"] for event in ended] == events[-1]["response"]["output"]
    assert [event["output_index"] for event in ended] == [0, 1]


def test_thoughts_before_a_call():
    """The call is the second item, without an empty message before it."""
    answer = reply("", reasoning_content="Ask.", finish_reason="tool_calls", tool_calls=[ToolCall(**CALL)])
    events = stream(started(), token(reasoning_content="Ask."), ReplyEvent(answer, 1))
    ended = [event for event in events if event["type"] == "response.output_item.done"]
    assert [event["item"]["type"] for event in ended] == ["reasoning", "function_call"]
    assert [event["item"] for event in ended] == events[-1]["response"]["output"]
    assert [event["output_index"] for event in ended] == [0, 1]


def test_thoughts_until_the_limit():
    """The text is an empty message, and the response says why."""
    answer = reply("", reasoning_content="Why", finish_reason="length")
    events = stream(started(), token(reasoning_content="Why"), ReplyEvent(answer, 1))
    ended = [event["item"] for event in events if event["type"] == "response.output_item.done"]
    assert ended == events[-1]["response"]["output"] == shape().done(answer)["output"]
    assert [item["type"] for item in ended] == ["reasoning", "message"]
    assert checked(events[-1]["response"]).incomplete_details.reason == "max_output_tokens"


def delta(index, arguments, **fields):
    return {"index": index, **fields, "function": {"arguments": arguments, **fields.pop("function", {})}}


def test_calls():
    """Text and two calls are three items, each of which ends before the next begins."""
    first = [
        {"index": 0, "id": "c1", "type": "function", "function": {"name": "weather", "arguments": '{"a"'}}
    ]
    rest = [{"index": 0, "function": {"arguments": ":1}"}}]
    answer = reply("I look.", finish_reason="tool_calls", tool_calls=[ToolCall(**CALL), ToolCall(**OTHER)])
    events = stream(
        started(),
        token("I look."),
        token(tool_calls=first),
        token(tool_calls=rest),
        ReplyEvent(answer, 1),
    )
    call = ["output_item.added", "function_call_arguments.delta"]
    done = ["function_call_arguments.done", "output_item.done"]
    assert names(events)[5:] == [
        *("output_text.done", "content_part.done", "output_item.done"),
        *call,
        "function_call_arguments.delta",
        *done,
        *call,
        *done,
        "completed",
    ]
    response = checked(events[-1]["response"])
    assert [item.type for item in response.output] == ["message", "function_call", "function_call"]
    assert [item.call_id for item in response.output[1:]] == ["c1", "c2"]
    ended = [event for event in events if event["type"] == "response.output_item.done"]
    assert [event["item"] for event in ended] == events[-1]["response"]["output"]
    assert [event["output_index"] for event in ended] == [0, 1, 2]


def test_a_call_without_words_is_the_only_item():
    """There is no empty message before it."""
    answer = reply("", finish_reason="tool_calls", tool_calls=[ToolCall(**CALL)])
    events = stream(started(), ReplyEvent(answer, 1))
    assert [item["type"] for item in events[-1]["response"]["output"]] == ["function_call"]
    assert {event["output_index"] for event in events if "output_index" in event} == {0}


def test_logprobs():
    """They come with the text, in this API's shape."""
    one = {
        "token": "blue",
        "logprob": -0.5,
        "bytes": None,
        "top_logprobs": [{"token": "red", "logprob": -2.0}],
    }
    answer = reply("blue", logprobs={"content": [one]})
    whole = checked(shape().done(answer))
    [told] = whole.output[0].content[0].logprobs
    assert (told.token, told.bytes, told.top_logprobs[0].token) == ("blue", list(b"blue"), "red")
    events = stream(started(), token("blue", logprobs={"content": [one]}), ReplyEvent(answer, 1))
    [piece] = [event for event in events if event["type"] == "response.output_text.delta"]
    assert piece["logprobs"][0]["logprob"] == -0.5


def test_an_empty_answer_is_a_message():
    """It is one message without text."""
    events = stream(started(), ReplyEvent(reply(""), 1))
    assert "output_item.added" in names(events)
    assert checked(events[-1]["response"]).output[0].content[0].text == ""


def test_another_attempt_goes_on_or_ends_the_stream():
    """What was sent is never sent twice, nor taken back."""
    again = [started(2), token("bl", 2), token("ue sky", 2), ReplyEvent(reply(), 2)]
    events = stream(started(), token("blue"), *again)
    assert "".join(event["delta"] for event in events if "delta" in event) == "blue sky"
    assert names(events).count("in_progress") == 1
    writer = ResponseEvents(shape())
    writer.event(started())
    writer.event(token("blue"))
    with pytest.raises(InternalError):
        writer.event(ReplyEvent(reply("red"), 2))


@pytest.mark.parametrize(
    ("code", "status", "kind"),
    [
        (ErrorCode.MODEL_FAILED, "failed", "server_error"),
        (ErrorCode.CONTEXT_LENGTH_EXCEEDED, "failed", "invalid_prompt"),
        (ErrorCode.CANCELLED, "cancelled", None),
    ],
)
def test_an_error(code, status, kind):
    """It is an event that clients raise, and then the response as it ended."""
    error = RelayedError(ErrorReply.of(code, "So it is.", chat_id=ID))
    response = checked(shape().failed(error))
    assert (response.status, response.error and response.error.code) == (status, kind)
    writer = ResponseEvents(shape())
    events = parsed(writer.event(started()) + writer.error(error))
    assert names(events) == ["created", "in_progress", "error", "failed"]
    assert events[2]["code"] == events[2]["error"]["code"] == code
    assert events[3]["response"]["status"] == status


ITEMS = [
    {"role": "user", "content": "Hello"},
    {"type": "reasoning", "summary": []},
    {"role": "assistant", "content": "Hi"},
    {"type": "function_call", "call_id": "c1", "name": "weather", "arguments": "{}"},
    {"type": "function_call_output", "call_id": "c1", "output": "rain"},
    {"role": "user", "content": "So?"},
]


@pytest.mark.parametrize(
    ("place", "told"),
    [
        ("messages[0]", "instructions"),
        ("messages[1]", "previous_response_id"),
        ("messages[2]", "input[0]"),
        ("messages[3]", "input[2]"),
        ("messages[4]", "input[4]"),
        ("messages[5]", "input[5]"),
        ("response_format", "text.format"),
        ("tools[0]", "tools[0]"),
        ("messages", "input"),
        ("joined", "joined"),
        ("answer", "answer"),
    ],
)
def test_a_refusal_names_the_clients_own_item(place, told):
    """Whole, streamed, and read again from what is stored; an error's field is named so too."""
    asked = read_response(json.dumps({**ASK, "input": ITEMS}).encode())
    call = make_call(asked, Earlier([{"role": "user", "content": "Before"}]))
    refused = reply(
        refused=True, finish_reason="content_filter", refusal=Refusal(category="rude", place=place)
    )
    for record in (call.record, Record.parse(call.record.json())):
        made = Shape(ID, record)
        assert made.done(refused)["stile"]["place"] == told
    streamed = ResponseEvents(made).event(ReplyEvent(refused)).decode()
    assert f'"place":"{told}"' in streamed.replace(" ", "")
    error = InvalidRequestError("No.", param=place)
    error.locate(call.places.own)
    assert error.reply().error.param == told


def test_a_field_of_a_message_is_the_clients_item():
    """An item's fields have other names, so the item alone is named."""
    call = make_call(read_response(json.dumps({**ASK, "input": ITEMS}).encode()), Earlier())
    error = InvalidRequestError("No.", param="messages[1].role")
    error.locate(call.places.own)
    assert error.reply().error.param == "input[0]"


def test_a_text_is_the_input():
    """As the client has sent one text, and no items."""
    record = make_call(read_response(b'{"input": "Hello"}'), Earlier()).record
    refused = reply(refused=True, refusal=Refusal(category="rude", place="messages[0]"))
    assert Shape(ID, record).done(refused)["stile"]["place"] == "input"
