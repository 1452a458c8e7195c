"""OpenAI's request translated into Stile's: pure, without a bus."""

import json

import pytest

from stile_contracts.messages import ChatRequest
from stile_gateway.errors import InvalidRequestError, UnsupportedParameterError
from stile_gateway.openai.request import read_completion

ASK = {"role": "user", "content": "Why?"}
CALL = {"id": "c1", "type": "function", "function": {"name": "weather", "arguments": "{}"}}
TOOL = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}


def read(**fields):
    body = {"messages": [ASK], **fields}
    return read_completion(json.dumps(body).encode(), ChatRequest)


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
    ("message", "turn"),
    [
        (
            {"role": "user", "content": [{"type": "text", "text": "Wh"}, {"type": "text", "text": "y?"}]},
            ASK,
        ),
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
        ({"messages": [{"role": "user", "content": []}]}, "messages[0].content"),
        ({"max_tokens": -1}, "max_tokens"),
        ({"max_completion_tokens": 0}, "max_completion_tokens"),
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
        read_completion(body, ChatRequest)


def test_the_stream_is_no_part_of_what_is_asked():
    """The same key asks the same with and without a stream: the bodies are equal."""
    plain, stream = read(), read(stream=True, stream_options={"include_usage": True})
    assert plain.body == stream.body
    assert (plain.stream, plain.include_usage) == (False, False)
    assert (stream.stream, stream.include_usage) == (True, True)
