"""Anthropic's requests translated into Stile's: pure, without a bus."""

import json

import pytest

from stile_gateway.dialects.anthropic.request import read_count, read_messages
from stile_gateway.errors import InvalidRequestError, UnsupportedParameterError

ASK = {"role": "user", "content": "Why?"}
SCHEMA = {"type": "object", "properties": {"age": {"type": "integer"}}}
TOOL = {"name": "weather", "description": "Tells it.", "input_schema": {"type": "object"}}
CALL = {"type": "tool_use", "id": "toolu_1", "name": "weather", "input": {"city": "Oslo"}}
DEEP = json.loads('{"a":' * 70 + "{}" + "}" * 70)
IMAGE = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "aGk="}}


def text(words):
    return {"type": "text", "text": words}


def body(**fields):
    return json.dumps({"model": "smol", "max_tokens": 5, "messages": [ASK], **fields}).encode()


def chat(**fields):
    return json.loads(read_messages(body(**fields)).body)


def turns(*messages, **fields):
    return chat(messages=list(messages), **fields)["messages"]


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, {}),
        ({"max_tokens": 2**31}, {"max_tokens": 1_000_000}),
        ({"temperature": 0, "top_k": 3, "top_p": 0.5}, {"temperature": 0.0, "top_k": 3, "top_p": 0.5}),
        ({"stop_sequences": ["END"]}, {"stop": ["END"]}),
        ({"stop_sequences": []}, {}),
        ({"metadata": {"user_id": "u"}, "service_tier": "auto", "stream": True}, {}),
        ({"tool_choice": {"type": "auto"}}, {"tool_choice": "auto"}),
        ({"tool_choice": {"type": "any"}}, {"tool_choice": "required"}),
        ({"tool_choice": {"type": "none"}}, {"tool_choice": "none"}),
        (
            {"tool_choice": {"type": "tool", "name": "weather", "disable_parallel_tool_use": True}},
            {
                "tool_choice": {"type": "function", "function": {"name": "weather"}},
                "parallel_tool_calls": False,
            },
        ),
        (
            {"output_config": {"format": {"type": "json_schema", "schema": SCHEMA}, "effort": "low"}},
            {
                "response_format": {"type": "json_schema", "json_schema": {"schema": SCHEMA}},
                "reasoning_effort": "low",
            },
        ),
        ({"thinking": {"type": "disabled"}}, {"chat_template_kwargs": {"enable_thinking": False}}),
        (
            {"thinking": {"type": "enabled", "budget_tokens": 1024}},
            {"chat_template_kwargs": {"enable_thinking": True}},
        ),
    ],
)
def test_parameters_are_translated(fields, expected):
    """What llama.cpp knows is handed on by its name; what nobody knows is left out."""
    assert chat(**fields) == {"max_tokens": 5, "model": "smol", "messages": [ASK], **expected}


def test_tools_are_translated():
    """A description is not needed; the schema is."""
    function = {"name": "weather", "description": "Tells it.", "parameters": {"type": "object"}}
    bare = {"name": "time", "input_schema": {}, "cache_control": {"type": "ephemeral"}}
    assert chat(tools=[TOOL, {**bare, "type": "custom"}])["tools"] == [
        {"type": "function", "function": function},
        {"type": "function", "function": {"name": "time", "parameters": {}}},
    ]


@pytest.mark.parametrize("system", ["Be\nbrief.", [text("Be"), {**text("brief."), "cache_control": {}}]])
def test_a_system_prompt_is_the_first_message(system):
    """As a text and as blocks; an empty one is none."""
    assert turns(ASK, system=system) == [{"role": "system", "content": "Be\nbrief."}, ASK]
    assert turns(ASK, system="") == turns(ASK, system=[]) == [ASK]


def test_blocks_are_translated():
    """Calls and results survive, thoughts are left out, text parts are joined by a line end."""
    thought = {"type": "thinking", "thinking": "Hm.", "signature": "x"}
    result = {"type": "tool_result", "tool_use_id": "toolu_1"}
    said = turns(
        {"role": "user", "content": [text("What"), text("weather?")]},
        {"role": "assistant", "content": [thought, text("I look."), CALL]},
        {"role": "user", "content": [{**result, "content": [text("Rain,"), text("7.")]}, text("And now?")]},
        {"role": "assistant", "content": [{**CALL, "id": "toolu_2", "input": {}}]},
        {"role": "user", "content": [{**result, "tool_use_id": "toolu_2", "is_error": True}]},
    )
    call = {"id": "toolu_1", "type": "function"}
    assert said == [
        {"role": "user", "content": "What\nweather?"},
        {
            "role": "assistant",
            "content": "I look.",
            "tool_calls": [{**call, "function": {"name": "weather", "arguments": '{"city":"Oslo"}'}}],
        },
        {"role": "tool", "tool_call_id": "toolu_1", "content": "Rain,\n7."},
        {"role": "user", "content": "And now?"},
        {
            "role": "assistant",
            "content": "",
            "tool_calls": [
                {"id": "toolu_2", "type": "function", "function": {"name": "weather", "arguments": "{}"}}
            ],
        },
        {"role": "tool", "tool_call_id": "toolu_2", "content": ""},
    ]


def test_neighbours_of_one_role_are_one_message():
    """Many templates know nothing else; each place stays that of the first."""
    call = read_messages(
        body(system="Be brief.", messages=[ASK, ASK, {"role": "assistant", "content": "Be"}, ASK])
    )
    said = json.loads(call.body)["messages"]
    assert [turn["content"] for turn in said] == ["Be brief.", "Why?\nWhy?", "Be", "Why?"]
    assert call.places.messages == ["system", "messages[0]", "messages[2]", "messages[3]"]


def test_a_count_asks_for_the_least_answer():
    """The conversation, its tools and its system prompt are the same as those of the request itself."""
    fields = {"system": "Be brief.", "tools": [TOOL], "messages": [ASK]}
    call = read_count(json.dumps({"model": "smol", **fields}).encode())
    counted, asked = json.loads(call.body), chat(**fields)
    assert (call.counts, call.is_stream, counted["max_tokens"]) == (True, False, 1)
    assert (counted["messages"], counted["tools"]) == (asked["messages"], asked["tools"])


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"messages": [ASK, {"role": "user", "content": [text("x"), IMAGE]}]}, "messages[1].content[1]"),
        ({"messages": [{"role": "user", "content": [{"type": "document"}]}]}, "messages[0].content[0]"),
        (
            {
                "messages": [
                    {
                        "role": "user",
                        "content": [{"type": "tool_result", "tool_use_id": "t", "content": [IMAGE]}],
                    }
                ]
            },
            "messages[0].content[0].content[0]",
        ),
        ({"system": [IMAGE]}, "system[0]"),
        ({"tools": [TOOL, {"type": "web_search_20250305", "name": "web_search"}]}, "tools[1].type"),
        ({"mcp_servers": [{"type": "url"}]}, "mcp_servers"),
        ({"container": "c"}, "container"),
        ({"output_format": {"type": "json_schema"}}, "output_format"),
    ],
)
def test_what_cannot_be_done_is_named(fields, param):
    """Another answer than was asked for would be worse than an error."""
    for read in (read_messages, read_count):
        with pytest.raises(UnsupportedParameterError) as raised:
            read(body(**fields))
        assert raised.value.param == param


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"max_tokens": None}, "max_tokens"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"model": ""}, "model"),
        ({"messages": []}, "messages"),
        ({"messages": [{"role": "system", "content": "x"}]}, "messages[0]"),
        ({"messages": [{"role": "user", "content": 7}]}, "messages[0].content"),
        ({"messages": [{"role": "user", "content": [CALL]}]}, "messages[0].content[0]"),
        ({"messages": [{"role": "user", "content": [{"type": "text"}]}]}, "messages[0].content[0].text"),
        ({"system": [{"type": "text", "text": 7}]}, "system[0].text"),
        ({"tool_choice": {"type": "tool", "name": ""}}, "tool_choice.name"),
        ({"stop_sequences": [""]}, "stop_sequences[0]"),
        ({"tool_choice": {"type": "maybe"}}, "tool_choice"),
        ({"temperature": "hot"}, "temperature"),
    ],
)
def test_a_wrong_field_is_named(fields, param):
    """A body that breaks the schema is refused before the bus hears of it."""
    with pytest.raises(InvalidRequestError) as raised:
        read_messages(body(**fields))
    assert raised.value.param == param


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"{",
        b"[]",
        b"7",
        b"\xff",
        b'{"messages": "\\ud800"}',
        b"[" * 9999,
        body(tools=[{**TOOL, "input_schema": {"minimum": 0}}]).replace(b"0}", b"1e400}"),
        body(messages=[{"role": "assistant", "content": [{**CALL, "input": DEEP}]}]),
    ],
)
def test_no_body_breaks_the_reader(sent):
    """Whatever bytes come, it is the request's own fault."""
    for read in (read_messages, read_count):
        with pytest.raises(InvalidRequestError):
            read(sent)


def test_the_stream_is_no_part_of_what_is_asked():
    """The same key asks the same with and without a stream: the bodies are equal."""
    plain, stream = read_messages(body()), read_messages(body(stream=True))
    assert plain.body == stream.body
    assert (plain.is_stream, stream.is_stream) == (False, True)
