"""OpenAI's request translated into Stile's: pure, without a bus."""

import json

import pytest

from stile_gateway.dialects.openai.request import read_completion
from stile_gateway.dialects.stile.api import read_chat
from stile_gateway.errors import InvalidRequestError, UnsupportedParameterError

ASK = {"role": "user", "content": "Why?"}
CALL = {"id": "c1", "type": "function", "function": {"name": "weather", "arguments": "{}"}}
TOOL = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}


def read(**fields):
    body = {"messages": [ASK], **fields}
    return read_completion(json.dumps(body).encode())


def chat(**fields):
    return json.loads(read(**fields).body)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, {}),
        ({"temperature": 0, "seed": 7, "top_k": 3}, {"temperature": 0, "seed": 7, "top_k": 3}),
        ({"stop": "END"}, {"stop": ["END"]}),
        ({"stop": ["a", "b"]}, {"stop": ["a", "b"]}),
        ({"max_tokens": 5}, {"max_tokens": 5}),
        ({"max_tokens": 5, "max_completion_tokens": 6}, {"max_tokens": 6}),
        ({"model": "gpt-4o"}, {"model": "gpt-4o"}),
        ({"n": 1, "user": "u", "metadata": {}, "store": None, "stream": True}, {}),
        ({"tools": [TOOL], "tool_choice": "required"}, {"tools": [TOOL], "tool_choice": "required"}),
        (
            {"response_format": {"type": "json_schema", "json_schema": {"schema": {"z": None, "a": 1}}}},
            {"response_format": {"type": "json_schema", "json_schema": {"schema": {"z": None, "a": 1}}}},
        ),
        ({"logprobs": True, "top_logprobs": 2}, {"logprobs": True, "top_logprobs": 2}),
    ],
)
def test_parameters_are_translated(fields, expected):
    """What llama.cpp knows is handed on by its name; what nobody knows is left out."""
    assert chat(**fields) == {**expected, "messages": [ASK]}


@pytest.mark.parametrize(
    "arguments",
    ['{"a":1}\0', '\ufeff{"a":1}', '{"a":1,"a":2}', '{"a":1,}', '{"a":1e999}', '{"a":"\\ud800"}', "x"],
)
def test_arguments_that_readers_differ_over_are_the_requests_fault(arguments):
    """As ``POST /chat`` has it: the field is named, down to the call."""
    call = {**CALL, "function": {"name": "f", "arguments": arguments}}
    turns = [ASK, {"role": "assistant", "tool_calls": [CALL, call]}]
    body = json.dumps({"messages": turns}).encode()
    for reading in (lambda: read_chat(body), lambda: read(messages=turns)):
        with pytest.raises(InvalidRequestError) as raised:
            reading()
        assert raised.value.param == "messages[1].tool_calls[1].function.arguments"


@pytest.mark.parametrize("call_id", ["", "any text, é" * 20, "a\u0000b"])
def test_the_id_of_a_call_may_be_any_text(call_id):
    """The model gets the filter's own in its place."""
    turns = [
        {"role": "assistant", "tool_calls": [{**CALL, "id": call_id}]},
        {"role": "tool", "tool_call_id": call_id, "content": "Rain."},
    ]
    assert chat(messages=turns)["messages"] == turns


@pytest.mark.parametrize(
    ("message", "turn"),
    [
        (
            {"role": "user", "content": [{"type": "text", "text": "Wh"}, {"type": "text", "text": "y?"}]},
            {"role": "user", "content": "Wh\ny?"},
        ),
        (
            {"role": "user", "content": [{"type": "text", "text": ""}, {"type": "text", "text": "Why?"}]},
            ASK,
        ),
        ({"role": "assistant", "content": []}, {"role": "assistant"}),
        ({"role": "user", "content": []}, {"role": "user", "content": ""}),
        ({"role": "developer", "content": "Be brief."}, {"role": "system", "content": "Be brief."}),
        (
            {"role": "assistant", "content": None, "refusal": None, "tool_calls": [CALL]},
            {"role": "assistant", "tool_calls": [CALL]},
        ),
        (
            {"role": "tool", "tool_call_id": "c1", "content": [{"type": "text", "text": "Rain."}]},
            {"role": "tool", "tool_call_id": "c1", "content": "Rain."},
        ),
    ],
)
def test_messages_are_translated(message, turn):
    """Parts are joined, ``developer`` is ``system``, tools' calls and answers survive."""
    assert chat(messages=[message])["messages"] == [turn]


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"n": 2}, "n"),
        (
            {
                "messages": [
                    ASK,
                    {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]},
                ]
            },
            "messages[1].content[0]",
        ),
        (
            {"messages": [{"role": "user", "content": [{"type": "input_audio", "input_audio": {}}]}]},
            "messages[0].content[0]",
        ),
        ({"modalities": ["text", "audio"]}, "modalities"),
        ({"functions": [{"name": "f"}]}, "functions"),
        ({"logit_bias": {"50256": -100}}, "logit_bias"),
        ({"top_logprobs": 2}, "top_logprobs"),
        ({"top_logprobs": 0, "logprobs": False}, "top_logprobs"),
        ({"tools": [{"type": "custom", "custom": {"name": "x"}}]}, "tools[0].type"),
        ({"tools": [TOOL], "tool_choice": {"type": "allowed_tools"}}, "tool_choice.type"),
    ],
)
def test_what_cannot_be_done_is_named(fields, param):
    """Another shape of answer than was asked for would be worse than an error."""
    with pytest.raises(UnsupportedParameterError) as raised:
        read(**fields)
    assert raised.value.param == param


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"messages": []}, "messages"),
        ({"messages": None}, "messages"),
        ({"messages": [{"role": "robot", "content": "x"}]}, "messages[0].role"),
        ({"messages": [{"role": "user", "content": 7}]}, "messages[0].content"),
        ({"messages": [{"role": "user"}]}, "messages[0]"),
        ({"max_tokens": -3}, "max_tokens"),
        ({"max_completion_tokens": -3}, "max_completion_tokens"),
        ({"n": 0}, "n"),
        ({"stop": [""]}, "stop"),
        ({"tool_choice": "maybe"}, "tool_choice"),
        ({"response_format": {"type": "json_schema"}}, "response_format"),
        ({"logprobs": True, "top_logprobs": 21}, "top_logprobs"),
    ],
)
def test_a_wrong_field_is_named(fields, param):
    """A body that breaks the schema is refused before the bus hears of it."""
    with pytest.raises(InvalidRequestError) as raised:
        read(**fields)
    assert raised.value.param == param


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"7", b"\xff", b'{"messages": "\\ud800"}', b"[" * 9999])
def test_no_body_breaks_the_reader(body):
    """Whatever bytes come, it is the request's own fault."""
    with pytest.raises(InvalidRequestError):
        read_completion(body)


def test_the_stream_is_no_part_of_what_is_asked():
    """The same key asks the same with and without a stream: the bodies are equal."""
    plain, stream = read(), read(stream=True, stream_options={"include_usage": True})
    assert plain.body == stream.body
    assert (plain.is_stream, plain.include_usage) == (False, False)
    assert (stream.is_stream, stream.include_usage) == (True, True)
