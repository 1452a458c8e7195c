"""Ollama's requests translated into Stile's: pure, without a bus."""

import json

import ollama
import pytest

from stile_gateway.dialects.ollama.request import read_chat, read_generate
from stile_gateway.errors import InvalidRequestError, UnsupportedParameterError

ASK = {"role": "user", "content": "Why?"}
SCHEMA = {"type": "object", "properties": {"age": {"type": "integer"}}}
TOOL = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}


def body(**fields):
    return json.dumps({"model": "smol:latest", **fields}).encode()


def chat(**fields):
    return json.loads(read_chat(body(**{"messages": [ASK], **fields})).body)


def generate(**fields):
    return json.loads(read_generate(body(**{"prompt": "Why?", **fields})).body)


def called(call_id, name="weather", arguments="{}"):
    return {"id": call_id, "type": "function", "function": {"name": name, "arguments": arguments}}


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, {}),
        ({"options": {"num_predict": 5, "seed": 7, "top_k": 3}}, {"max_tokens": 5, "seed": 7, "top_k": 3}),
        ({"options": {"num_predict": -1, "seed": -1, "top_k": -1}}, {"top_k": 0}),
        ({"options": {"num_predict": -2, "seed": 2**32 + 1}}, {"seed": 1}),
        ({"options": {"num_predict": 0}}, {}),
        ({"options": {"num_predict": 2**31 - 1}}, {"max_tokens": 1_000_000}),
        (
            {"options": {"temperature": 0, "top_p": 0.5, "min_p": 0.1, "typical_p": 0.9, "stop": ["END"]}},
            {"temperature": 0.0, "top_p": 0.5, "min_p": 0.1, "typical_p": 0.9, "stop": ["END"]},
        ),
        (
            {"options": {"repeat_penalty": 1.1, "repeat_last_n": -1, "presence_penalty": 1}},
            {"repeat_penalty": 1.1, "repeat_last_n": -1, "presence_penalty": 1.0},
        ),
        ({"options": {"frequency_penalty": -1.5}}, {"frequency_penalty": -1.5}),
        ({"options": {"num_ctx": 8192, "num_gpu": 1, "unheard_of": {}}}, {}),
        ({"options": None, "format": "", "stream": False, "keep_alive": "5m"}, {}),
        ({"format": "json"}, {"response_format": {"type": "json_object"}}),
        (
            {"format": SCHEMA},
            {"response_format": {"type": "json_schema", "json_schema": {"schema": SCHEMA}}},
        ),
        ({"logprobs": True, "top_logprobs": 2}, {"logprobs": True, "top_logprobs": 2}),
        ({"think": False}, {"chat_template_kwargs": {"enable_thinking": False}}),
        (
            {"think": "high"},
            {"chat_template_kwargs": {"enable_thinking": True}, "reasoning_effort": "high"},
        ),
    ],
)
def test_parameters_are_translated(fields, expected):
    """For chats and for prompts; what belongs to the model's server is left out."""
    assert chat(**fields) == {**expected, "model": "smol", "messages": [ASK]}
    assert generate(**fields) == {**expected, "model": "smol", "messages": [ASK]}


def test_a_system_prompt_is_a_system_message():
    """Of a prompt and of a chat; an empty one is none."""
    system = {"role": "system", "content": "Be brief."}
    assert generate(system="Be brief.")["messages"] == [system, ASK]
    assert generate(system="")["messages"] == [ASK]
    assert chat(messages=[system, ASK])["messages"] == [system, ASK]


def test_tools_and_their_calls_are_translated():
    """Arguments are an object in Ollama's API, and a text in OpenAI's; a call has an id there."""
    turns = [
        ASK,
        {
            "role": "assistant",
            "content": "",
            "tool_calls": [
                {"function": {"name": "weather", "arguments": {"city": "Oslo", "days": 2}}},
                {"function": {"name": "time", "arguments": {}}},
                {"function": {"name": "weather"}},
            ],
        },
        {"role": "tool", "tool_name": "time", "content": "Noon."},
        {"role": "tool", "content": "Rain."},
        {"role": "tool", "tool_name": "weather", "content": "Sun."},
        {"role": "tool", "content": "Nobody asked."},
    ]
    said = chat(messages=turns, tools=[TOOL, {"function": {"name": "time"}}])
    assert said["tools"] == [TOOL, {"type": "function", "function": {"name": "time"}}]
    assert said["messages"][1]["tool_calls"] == [
        called("call_0", arguments='{"city":"Oslo","days":2}'),
        called("call_1", "time"),
        called("call_2"),
    ]
    answers = [(turn["tool_call_id"], turn["content"]) for turn in said["messages"][2:]]
    assert answers == [
        ("call_1", "Noon."),
        ("call_0", "Rain."),
        ("call_2", "Sun."),
        ("", "Nobody asked."),
    ]


def test_ids_that_a_client_sends_back_are_kept():
    """Then they say which call is answered, whatever the order is."""
    call = {"function": {"name": "weather", "arguments": {}}}
    turns = [
        {"role": "assistant", "tool_calls": [{**call, "id": "a|1"}, {**call, "id": "b"}]},
        {"role": "tool", "tool_call_id": "b", "content": "Sun."},
    ]
    said = chat(messages=turns)["messages"]
    assert [one["id"] for one in said[0]["tool_calls"]] == ["a|1", "b"]
    assert said[1]["tool_call_id"] == "b"


@pytest.mark.parametrize(
    ("keep_alive", "loads"),
    [(None, "load"), ("5m", "load"), (-1, "load"), (0, "unload"), ("0", "unload"), ("0s", "unload")],
)
def test_nothing_to_answer_is_a_request_to_load(keep_alive, loads):
    """Or to unload: with no messages, and with no prompt."""
    assert read_chat(body(keep_alive=keep_alive)).loads == loads
    assert read_chat(body(keep_alive=keep_alive, messages=[])).loads == loads
    assert read_generate(body(keep_alive=keep_alive)).loads == loads
    assert read_generate(body(keep_alive=keep_alive, prompt="", system="Be brief.")).loads == loads
    assert read_generate(body(prompt="Why?", keep_alive=keep_alive)).loads is None


def test_a_stream_is_the_default():
    """And no part of what is asked."""
    stream, whole = read_chat(body(messages=[ASK])), read_chat(body(messages=[ASK], stream=False))
    assert (stream.is_stream, whole.is_stream) == (True, False)
    assert stream.body == whole.body


@pytest.mark.parametrize(
    ("read", "fields", "param"),
    [
        (read_chat, {"messages": [ASK, {**ASK, "images": ["aGk="]}]}, "messages[1].images"),
        (read_chat, {"messages": [ASK], "top_logprobs": 2}, "top_logprobs"),
        (read_generate, {"prompt": "x", "images": ["aGk="]}, "images"),
        (read_generate, {"prompt": "x", "raw": True}, "raw"),
        (read_generate, {"prompt": "x", "suffix": "y"}, "suffix"),
        (read_generate, {"prompt": "x", "template": "{{ .Prompt }}"}, "template"),
        (read_generate, {"prompt": "x", "context": [1, 2]}, "context"),
    ],
)
def test_what_cannot_be_done_is_named(read, fields, param):
    """Another answer than was asked for would be worse than an error."""
    with pytest.raises(UnsupportedParameterError) as raised:
        read(body(**fields))
    assert raised.value.param == param


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"model": ""}, "model"),
        ({"model": None}, "model"),
        ({"messages": [{"role": "robot", "content": "x"}]}, "messages[0].role"),
        ({"messages": [{"role": "user", "content": 7}]}, "messages[0].content"),
        ({"messages": [{"role": "user", "tool_calls": [{"function": {"name": "f"}}]}]}, "messages[0]"),
        ({"options": {"temperature": -1}}, "options.temperature"),
        ({"options": {"stop": [""]}}, "options.stop[0]"),
        ({"options": []}, "options"),
        ({"format": "xml"}, "format"),
        ({"stream": "yes"}, "stream"),
        ({"tools": [{"type": "function", "function": {"name": ""}}]}, "tools[0].function.name"),
        ({"logprobs": True, "top_logprobs": 21}, "top_logprobs"),
    ],
)
def test_a_wrong_field_is_named(fields, param):
    """A body that breaks the schema is refused before the bus hears of it."""
    with pytest.raises(InvalidRequestError) as raised:
        read_chat(body(**{"messages": [ASK], **fields}))
    assert raised.value.param == param


def test_a_number_is_no_false():
    """As the document says: what stands for false in Python is another type in JSON."""
    with pytest.raises(InvalidRequestError) as raised:
        generate(raw=0)
    assert raised.value.param == "raw"
    assert generate(raw=False) == generate(raw=None) == generate()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "7",
        '{"model": "\\ud800"}',
        "[" * 9999,
        '{"model": "m", "format": {"minimum": 1e400}, "messages": [{"role": "user", "content": "x"}]}',
        '{"model": "m", "format": {"minimum": NaN}, "messages": [{"role": "user", "content": "x"}]}',
        '{"model": "m", "messages": [{"role": "assistant", "tool_calls":'
        ' [{"function": {"name": "f", "arguments": {"a": ' + "[" * 70 + "]" * 70 + "}}}]}]}",
    ],
)
def test_no_body_breaks_the_reader(text):
    """Whatever bytes come, it is the request's own fault."""
    with pytest.raises(InvalidRequestError):
        read_chat(text.encode())


def test_what_ollamas_own_client_builds_is_read():
    """Its models write what it sends: every field that it knows, null or not."""
    request = ollama._types.ChatRequest(
        model="smol",
        messages=[ollama.Message(role="user", content="Why?")],
        tools=[ollama.Tool.model_validate(TOOL)],
        options=ollama.Options(num_ctx=8192, temperature=0.5),
        think=False,
        format=SCHEMA,
        keep_alive=-1,
        stream=True,
    )
    call = read_chat(request.model_dump_json(exclude_none=True).encode())
    assert call.is_stream
    assert json.loads(call.body)["temperature"] == 0.5
    with_nulls = read_chat(request.model_dump_json().encode())
    assert json.loads(with_nulls.body)["messages"] == [ASK]
