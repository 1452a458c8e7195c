"""openai-python before the whole system. The small model's words don't matter, the shapes do."""

import json

import httpx
import openai
import pytest
from pydantic import BaseModel

from harness.models.llama import NAME

ASK = {"role": "user", "content": "Say hello."}
WEATHER = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "Tells the weather of a city.",
        "parameters": {
            "type": "object",
            "properties": {"unit": {"enum": ["C", "F"]}, "city": {"type": "string", "maxLength": 20}},
            "required": ["unit", "city"],
            "additionalProperties": False,
        },
    },
}


def ask(client, **fields):
    """Ask for a short answer that is the same every time."""
    return client.chat.completions.create(
        **{"model": "stile", "messages": [ASK], "max_tokens": 16, "seed": 7, **fields}
    )


def test_an_answer(client):
    """The model's name is the real one, the counts add up, and the same seed writes the same."""
    first, second = ask(client), ask(client)
    [choice] = first.choices
    assert choice.message.role == "assistant"
    assert choice.message.content
    assert choice.message.refusal is None
    assert choice.logprobs is None
    assert choice.finish_reason in {"stop", "length"}
    assert first.model == NAME
    assert first.usage.total_tokens == first.usage.prompt_tokens + first.usage.completion_tokens
    assert first.id.startswith("chatcmpl-")
    assert first.id != second.id
    assert second.choices[0].message.content == choice.message.content


def test_a_stream(client):
    """It says what the whole answer says, under one id, and ends with the counts."""
    whole = ask(client)
    chunks = list(ask(client, stream=True, stream_options={"include_usage": True}))
    assert len({(chunk.id, chunk.created) for chunk in chunks}) == 1
    assert chunks[0].choices[0].delta.role == "assistant"
    text = "".join(choice.delta.content or "" for chunk in chunks for choice in chunk.choices)
    assert text == whole.choices[0].message.content
    assert chunks[-2].choices[0].finish_reason == whole.choices[0].finish_reason
    assert chunks[-1].choices == []
    assert chunks[-1].usage == whole.usage


def test_a_streams_bytes(system):
    """Nothing buffers it, its end is marked, and its head has what OpenAI's has."""
    body = {"messages": [ASK], "max_tokens": 4, "stream": True}
    answer = httpx.post(f"{system.url}/v1/chat/completions", json=body, timeout=60)
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert answer.headers["cache-control"] == "no-cache"
    assert answer.headers["x-request-id"]
    assert int(answer.headers["openai-processing-ms"]) >= 0
    assert answer.text.endswith("data: [DONE]\n\n")


OSLO = {"role": "user", "content": "Oslo"}


def test_a_tool_is_called_and_answered(calling):
    """Its call comes back with the tool's answer, and the model goes on."""
    called = ask(calling, messages=[OSLO], tools=[WEATHER], tool_choice="required")
    [choice] = called.choices
    [call] = choice.message.tool_calls
    assert (choice.finish_reason, choice.message.content) == ("tool_calls", None)
    assert call.function.name == "weather"
    assert json.loads(call.function.arguments) == {"unit": "Oslo", "city": "Oslo"}

    answered = {"role": "tool", "tool_call_id": call.id, "content": "Rain, 7 degrees."}
    last = ask(calling, messages=[OSLO, choice.message, answered], tools=[WEATHER])
    assert last.choices[0].message.content.startswith("echo: Rain, 7 degrees.")


def test_a_streamed_call_is_the_same_call(calling):
    """openai-python puts the deltas together to what the whole answer has; each request has its own ids."""
    fields = {"model": "stile", "messages": [OSLO], "tools": [WEATHER], "tool_choice": "required"}
    with calling.chat.completions.stream(**fields) as stream:
        streamed = stream.get_final_completion()
    whole = calling.chat.completions.create(**fields)
    [one], [other] = streamed.choices[0].message.tool_calls, whole.choices[0].message.tool_calls
    assert streamed.choices[0].finish_reason == "tool_calls"
    assert one.id.startswith("call_")
    assert other.id.startswith("call_")
    assert (one.function.name, one.function.arguments) == (other.function.name, other.function.arguments)


def test_the_real_llama_takes_tools_and_their_answers(client):
    """A conversation with tools is one that llama.cpp reads."""
    call = {"id": "c1", "type": "function", "function": {"name": "weather", "arguments": '{"city": "Oslo"}'}}
    turns = [
        OSLO,
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c1", "content": "Rain."},
    ]
    answer = ask(client, messages=turns, tools=[WEATHER], tool_choice="auto", parallel_tool_calls=False)
    assert answer.choices[0].finish_reason in {"stop", "length"}


class Person(BaseModel):
    """What the model is to answer."""

    name: str
    age: int


def test_the_answer_fits_a_schema(client):
    """``parse`` sends a JSON Schema and reads the answer by it."""
    parsed = client.chat.completions.parse(
        model="stile",
        messages=[{"role": "user", "content": "Ada is 36."}],
        response_format=Person,
        max_tokens=200,
        seed=7,
    )
    assert isinstance(parsed.choices[0].message.parsed, Person)


def test_logprobs(client):
    """Each token has its own, streamed or not; no alternatives, as no filter has checked those."""
    whole = ask(client, max_tokens=4, logprobs=True, top_logprobs=2)
    tokens = whole.choices[0].logprobs.content
    assert "".join(token.token for token in tokens) == whole.choices[0].message.content
    assert all(token.logprob <= 0 for token in tokens)
    assert all({one.token for one in token.top_logprobs} <= {token.token} for token in tokens)
    chunks = list(ask(client, max_tokens=4, logprobs=True, top_logprobs=2, stream=True))
    parts = [choice.logprobs for chunk in chunks for choice in chunk.choices if choice.logprobs]
    assert [token.token for part in parts for token in part.content] == [token.token for token in tokens]


@pytest.mark.parametrize(
    "fields",
    [
        {"messages": [{"role": "user", "content": "What darnation!"}]},
        {"tools": [{"type": "function", "function": {"name": "x", "description": "Darnation."}}]},
    ],
)
@pytest.mark.parametrize("stream", [False, True])
def test_a_refusal(client, fields, stream):
    """What the filter refuses, tools included, is a message that was filtered, with its category."""
    answer = ask(client, stream=stream, **fields)
    last = list(answer)[-1] if stream else answer
    assert last.choices[0].finish_reason == "content_filter"
    assert last.stile["refused"] is True
    assert last.stile["category"] == "rudeness"


def test_models(client):
    """The consumer's model is listed and found by its name; another is not."""
    [model] = client.models.list().data
    assert model.id == NAME
    assert client.models.retrieve(NAME).id == NAME
    assert client.models.retrieve("stile").id == "stile"
    with pytest.raises(openai.NotFoundError) as raised:
        client.models.retrieve("gpt-4o")
    assert raised.value.code == "model_not_found"


@pytest.mark.parametrize("stream", [False, True])
def test_a_models_name_is_one_that_there_is(client, stream):
    """In upper or lower case; another is openai-python's own NotFoundError, which says what there is."""
    assert list(ask(client, stream=stream, model=NAME.upper()))
    with pytest.raises(openai.NotFoundError) as raised:
        ask(client, stream=stream, model="gpt-4o")
    assert (raised.value.code, raised.value.param) == ("model_not_found", "model")
    assert NAME in raised.value.message


@pytest.mark.parametrize(
    ("fields", "kind", "told"),
    [
        ({"n": 2}, openai.BadRequestError, ("unsupported_parameter", "n")),
        ({"messages": []}, openai.BadRequestError, ("invalid_request", "messages")),
        ({"max_tokens": -3}, openai.BadRequestError, ("invalid_request", "max_tokens")),
        ({"messages": [ASK] * 21}, openai.BadRequestError, ("context_length_exceeded", "messages")),
        (
            {"messages": [{"role": "user", "content": "word " * 4000}]},
            openai.BadRequestError,
            ("context_length_exceeded", None),
        ),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
def test_an_error_is_the_clients_own(client, fields, kind, told, stream):
    """openai-python raises the class that it has for the fault; in a stream that has begun, APIError."""
    begun = stream and told == ("context_length_exceeded", None)
    with pytest.raises(openai.APIError if begun else kind) as raised:
        list(ask(client, stream=stream, **fields))
    assert (raised.value.code, raised.value.param) == told
    if told[0] == "context_length_exceeded":
        assert "maximum context length" in raised.value.message
