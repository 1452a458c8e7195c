"""What is asked of the bus for a response's request: pure."""

import json
from uuid import UUID

import pytest

from stile_contracts.messages import ChatRequest, Reply, ToolCall
from stile_gateway.dialects.responses.call import Earlier, Record, make_call
from stile_gateway.dialects.responses.items import input_items, message_of
from stile_gateway.dialects.responses.request import read_response
from stile_gateway.errors import InvalidRequestError, NotFoundError, UnsupportedParameterError

ID = UUID("01920000-0000-7000-8000-000000000001")
USER = {"role": "user", "content": "Why?"}
FUNCTION = {"name": "weather", "arguments": '{"a":1}'}
CALL = {"id": "c1", "type": "function", "function": FUNCTION}
CALL_ITEM = {"type": "function_call", "call_id": "c1", **FUNCTION}


def call(earlier=Earlier(), **fields):  # noqa: B008 -- it is frozen
    return make_call(read_response(json.dumps({"input": "Why?", **fields}).encode()), earlier)


def asked(earlier=Earlier(), **fields):  # noqa: B008 -- it is frozen
    """Return the request of the bus; the contract reads it."""
    body = call(earlier, **fields).body
    ChatRequest.model_validate_json(body)
    return json.loads(body)


@pytest.mark.parametrize(
    ("given", "messages"),
    [
        ("Why?", [USER]),
        ([USER], [USER]),
        ([{"type": "message", **USER}], [USER]),
        ([{**USER, "content": [{"type": "input_text", "text": "Why?"}]}], [USER]),
        (
            [{**USER, "content": [{"type": "input_text", "text": "a"}, {"type": "text", "text": "b"}]}],
            [{**USER, "content": "a\nb"}],
        ),
        ([{"role": "developer", "content": "Short."}, USER], [{"role": "system", "content": "Short."}, USER]),
        (
            [USER, {"role": "assistant", "content": [{"type": "refusal", "refusal": "No."}]}],
            [USER, {"role": "assistant", "content": "No."}],
        ),
        (
            [
                USER,
                {"type": "reasoning", "id": "rs_1", "summary": []},
                {"role": "assistant", "content": [{"type": "output_text", "text": "I look."}]},
                CALL_ITEM,
                {**CALL_ITEM, "call_id": "c2", "arguments": ""},
                {"type": "function_call_output", "call_id": "c1", "output": "Rain."},
                {
                    "type": "function_call_output",
                    "call_id": "c2",
                    "output": [{"type": "input_text", "text": "Sun."}],
                },
            ],
            [
                USER,
                {
                    "role": "assistant",
                    "content": "I look.",
                    "tool_calls": [CALL, {**CALL, "id": "c2", "function": {**FUNCTION, "arguments": "{}"}}],
                },
                {"role": "tool", "tool_call_id": "c1", "content": "Rain."},
                {"role": "tool", "tool_call_id": "c2", "content": "Sun."},
            ],
        ),
        ([USER, CALL_ITEM], [USER, {"role": "assistant", "content": None, "tool_calls": [CALL]}]),
    ],
)
def test_every_form_of_input_is_a_conversation(given, messages):
    """Text or items, in OpenAI's several shapes; what a model thought is left out."""
    assert asked(input=given)["messages"] == messages


def test_instructions_come_first_and_are_not_carried_over():
    """They stand before what is continued, and the record has none."""
    earlier = Earlier([{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}])
    made = call(earlier, instructions="Be short.")
    messages = json.loads(made.body)["messages"]
    assert [one["role"] for one in messages] == ["system", "user", "assistant", "user"]
    assert made.record.messages == messages[1:]
    assert made.record.own == 1
    assert Record.parse(made.record.json()) == made.record


@pytest.mark.parametrize(
    ("fields", "chat"),
    [
        ({"max_output_tokens": 9}, {"max_tokens": 9}),
        ({"temperature": 0.5, "top_p": 0.5, "seed": 7}, {"temperature": 0.5, "top_p": 0.5, "seed": 7}),
        (
            {"tools": [{"type": "function", "name": "x", "parameters": {"type": "object"}, "strict": True}]},
            {
                "tools": [
                    {
                        "type": "function",
                        "function": {"name": "x", "parameters": {"type": "object"}, "strict": True},
                    }
                ]
            },
        ),
        ({"tool_choice": "required"}, {"tool_choice": "required"}),
        (
            {"tool_choice": {"type": "function", "name": "x"}},
            {"tool_choice": {"type": "function", "function": {"name": "x"}}},
        ),
        ({"parallel_tool_calls": False}, {"parallel_tool_calls": False}),
        ({"text": {"format": {"type": "text"}}}, {"response_format": {"type": "text"}}),
        ({"text": {"format": {"type": "json_object"}}}, {"response_format": {"type": "json_object"}}),
        (
            {"text": {"format": {"type": "json_schema", "name": "x", "schema": {"type": "object"}}}},
            {
                "response_format": {
                    "type": "json_schema",
                    "json_schema": {"name": "x", "schema": {"type": "object"}},
                }
            },
        ),
        ({"reasoning": {"effort": "low"}}, {"reasoning_effort": "low"}),
        ({"include": ["message.output_text.logprobs"]}, {"logprobs": True}),
        ({"top_logprobs": 2}, {"logprobs": True, "top_logprobs": 2}),
        ({"truncation": "auto", "user": "u", "metadata": {"a": "b"}, "service_tier": "auto"}, {}),
    ],
)
def test_what_constrains_the_answer_is_kept(fields, chat):
    """Each parameter has its own in the request of the bus, and no others are there."""
    assert asked(**fields) == {"messages": [USER], **chat}


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"tools": [{"type": "web_search"}]}, "tools[0].type"),
        ({"tool_choice": {"type": "file_search"}}, "tool_choice.type"),
        ({"input": [{"type": "computer_call"}]}, "input[0].type"),
        (
            {"input": [{**USER, "content": [{"type": "input_image", "image_url": "x"}]}]},
            "input[0].content[0]",
        ),
        ({"conversation": "conv_1"}, "conversation"),
        ({"prompt": {"id": "pmpt_1"}}, "prompt"),
        ({"response_format": {"type": "json_object"}}, "response_format"),
        ({"grammar": "root ::= x"}, "grammar"),
    ],
)
def test_what_cannot_be_done_is_an_error_that_names_it(fields, param):
    """None is dropped without a word."""
    with pytest.raises(UnsupportedParameterError) as raised:
        call(**fields)
    assert raised.value.param == param


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"input": []}, "input"),
        ({"input": 7}, "input"),
        ({"input": None}, "input"),
        ({"max_output_tokens": 0}, "max_output_tokens"),
        ({"text": {"format": {"type": "json_schema"}}}, "text.format.schema"),
        ({"input": [{"role": "tool", "content": "x"}]}, "input[0].role"),
        ({"input": [{**CALL_ITEM, "arguments": "[1]"}]}, "input[0].arguments"),
        ({"input": [{**USER, "content": [{"type": "input_text"}]}]}, "input[0].content"),
    ],
)
def test_what_is_no_request_names_the_field(fields, param):
    """The parameter is the client's own path to what is wrong."""
    with pytest.raises(InvalidRequestError) as raised:
        call(**fields)
    assert raised.value.param == param


def test_nothing_runs_in_the_background_unstored():
    """It could not be read."""
    with pytest.raises(InvalidRequestError):
        call(background=True, store=False)
    assert call(background=True).answer_later


def test_an_item_is_found_by_its_id():
    """A reference stands for the messages of a stored item; one that is not there is an error."""
    given = [USER, {"type": "item_reference", "id": "fc_1"}, {"type": "item_reference", "id": "fc_2"}]
    one = {"role": "assistant", "content": None, "tool_calls": [CALL]}
    with pytest.raises(NotFoundError):
        call(input=given)
    messages = asked(Earlier(items={"fc_1": [one], "fc_2": [one]}), input=given)["messages"]
    assert messages == [USER, {**one, "tool_calls": [CALL, CALL]}]


def test_an_answer_is_a_message_of_the_next_conversation():
    """With its calls; without words it has no content."""
    plain = Reply(response="blue", id=ID)
    assert message_of(plain) == {"role": "assistant", "content": "blue"}
    called = Reply(response="", id=ID, tool_calls=[ToolCall(**CALL)])
    assert message_of(called) == {"role": "assistant", "content": None, "tool_calls": [CALL]}


def test_a_client_reads_its_items_again():
    """Each message is an item with an id; calls are items of their own."""
    messages = [USER, message_of(Reply(response="I look.", id=ID, tool_calls=[ToolCall(**CALL)]))]
    items = input_items(ID, [*messages, {"role": "tool", "tool_call_id": "c1", "content": "Rain."}])
    kinds = [item["type"] for item in items]
    assert kinds == ["message", "message", "function_call", "function_call_output"]
    assert len({item["id"] for item in items}) == 4
