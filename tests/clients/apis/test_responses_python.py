"""openai-python's ``responses`` and ``completions`` before the whole system."""

import json
from uuid import UUID

import openai
import pytest
from pydantic import BaseModel

from harness.models.llama import NAME
from harness.nats import results as outcomes
from harness.processes.wait import until

TOOL = {
    "type": "function",
    "name": "weather",
    "description": "Tells the weather of a city.",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    "strict": False,
}


def ask(client, **fields):
    """Ask for a short answer that is the same every time."""
    fields = {"model": "stile", "input": "Say hello.", "max_output_tokens": 16, **fields}
    return client.responses.create(**fields, extra_body={"seed": 7})


def whole_of(stream):
    """Return a stream's last response, and the texts of its events."""
    events = list(stream)
    assert [event.sequence_number for event in events] == list(range(len(events)))
    assert events[0].type == "response.created"
    return events, events[-1].response


def test_an_answer_whole_and_streamed(client):
    """The real model answers; both say the same, with the counts."""
    whole = ask(client)
    events, streamed = whole_of(ask(client, stream=True))
    text = "".join(event.delta for event in events if event.type == "response.output_text.delta")
    assert whole.output_text == streamed.output_text == text
    assert text
    assert whole.model == streamed.model == NAME
    assert whole.usage == streamed.usage
    assert whole.usage.total_tokens == whole.usage.input_tokens + whole.usage.output_tokens
    reason = whole.incomplete_details and whole.incomplete_details.reason
    assert (whole.status, reason) in {("completed", None), ("incomplete", "max_output_tokens")}


def test_a_stream_helper_reads_it(client):
    """``responses.stream`` puts the events together."""
    with client.responses.stream(model="stile", input="Say hello.", max_output_tokens=16) as stream:
        texts = [event.delta for event in stream if event.type == "response.output_text.delta"]
    assert texts


class Person(BaseModel):
    """What the model is to answer."""

    name: str
    age: int


def test_the_answer_fits_a_schema(client):
    """``parse`` sends a JSON Schema and reads the answer by it."""
    parsed = client.responses.parse(
        model="stile", input="Ada is 36.", text_format=Person, max_output_tokens=200
    )
    assert isinstance(parsed.output_parsed, Person)


@pytest.mark.parametrize("stream", [False, True])
def test_a_tool_is_called_and_answered(calling, stream):
    """Its call comes back, by id or whole, with the tool's answer, and the model goes on."""
    fields = {"input": "Oslo", "tools": [TOOL], "tool_choice": "required", "max_output_tokens": 200}
    called = whole_of(ask(calling, stream=True, **fields))[1] if stream else ask(calling, **fields)
    [call] = [item for item in called.output if item.type == "function_call"]
    assert call.name == "weather"
    assert json.loads(call.arguments) == {"city": "Oslo"}
    answered = {"type": "function_call_output", "call_id": call.call_id, "output": "Rain, 7 degrees."}
    whole = {"input": [{"role": "user", "content": "Oslo"}, *called.output, answered]}
    referred = {"type": "item_reference", "id": call.id}
    by_item = {"input": [{"role": "user", "content": "Oslo"}, referred, answered]}
    by_id = {"input": [answered], "previous_response_id": called.id}
    for rest in (whole, by_item, by_id):
        last = ask(calling, tools=[TOOL], max_output_tokens=200, **rest)
        assert last.output_text.startswith("echo: Rain, 7 degrees.")


def test_a_response_is_continued_read_and_deleted(client):
    """The model reads the whole conversation; what is deleted is not found, nor is what never was."""
    first = ask(client, input="One", instructions="Be short.", metadata={"a": "b"})
    second = ask(client, input="Two", previous_response_id=first.id)
    assert second.previous_response_id == first.id
    assert second.usage.input_tokens > first.usage.input_tokens
    again = client.responses.retrieve(first.id)
    assert (again.output_text, again.metadata, again.instructions) == (
        first.output_text,
        {"a": "b"},
        "Be short.",
    )
    [item] = client.responses.input_items.list(second.id).data
    assert item.content[0].text == "Two"
    streamed = whole_of(client.responses.retrieve(first.id, stream=True))[1]
    assert streamed.output_text == first.output_text
    client.responses.delete(first.id)
    for use in (
        lambda: client.responses.retrieve(first.id),
        lambda: ask(client, input="Three", previous_response_id=first.id),
        lambda: client.responses.delete(first.id),
    ):
        with pytest.raises(openai.NotFoundError, match=f"esponse with id '{first.id}' not found"):
            use()
    unstored = ask(client, store=False)
    with pytest.raises(openai.NotFoundError):
        client.responses.retrieve(unstored.id)


async def test_a_response_in_the_background_is_read_later(calling):
    """It waits or runs, and then has its answer; a cancelled one is cancelled."""
    begun = ask(calling, input="Later", background=True)
    assert begun.status in {"queued", "in_progress", "completed"}

    async def done():
        response = calling.responses.retrieve(begun.id)
        return response if response.status == "completed" else None

    response = await until(done, within=60, what="the response is complete")
    assert response.output_text.startswith("echo: Later")
    assert calling.responses.cancel(begun.id).status == "completed"


async def test_a_running_response_is_cancelled(client):
    """The model is free, and the response says so from then on."""
    begun = ask(client, input="Write a long story.", background=True, max_output_tokens=None)
    assert client.responses.cancel(begun.id).status == "cancelled"

    async def is_cancelled():
        return client.responses.retrieve(begun.id).status == "cancelled"

    await until(is_cancelled, within=60, what="the response is cancelled")


@pytest.mark.parametrize("fields", [{"input": "What darnation!"}, {"instructions": "What darnation!"}])
@pytest.mark.parametrize("stream", [False, True])
def test_a_refusal(client, fields, stream):
    """It is an answer that was filtered, with its category."""
    answer = ask(client, stream=stream, **fields)
    response = whole_of(answer)[1] if stream else answer
    assert (response.status, response.incomplete_details.reason) == ("incomplete", "content_filter")
    assert response.output_text
    assert response.stile["category"] == "rudeness"


def test_a_continued_conversation_is_checked_whole(client):
    """What was refused once is refused again."""
    refused = ask(client, input="What darnation!")
    again = ask(client, input="And now?", previous_response_id=refused.id)
    assert again.incomplete_details.reason == "content_filter"


@pytest.mark.parametrize("stream", [False, True])
def test_an_error_is_the_clients_own(client, stream):
    """openai-python raises the class that it has for the fault; in a stream that has begun, APIError."""
    with pytest.raises(openai.BadRequestError) as raised:
        ask(client, stream=stream, tools=[{"type": "web_search"}])
    assert (raised.value.code, raised.value.param) == ("unsupported_parameter", "tools[0].type")
    with pytest.raises(openai.APIError) as raised:
        list(ask(client, stream=stream, input="word " * 4000))
    assert raised.value.code == "context_length_exceeded"


async def test_a_stream_that_is_left_is_cancelled(system, client):
    """Leaving the loop closes the connection, and the request's outcome is its cancellation."""
    with ask(client, input="Write a long story.", stream=True, max_output_tokens=None) as stream:
        chat_id = UUID(next(iter(stream)).response.id.removeprefix("resp_"))
    provisioner = await system.bus.connect("provisioner")

    async def outcome():
        return await outcomes.stored(provisioner, f"chat.result.*.{chat_id}")

    try:
        [stored] = await until(outcome, within=60, what="the request has an outcome")
    finally:
        await provisioner.close()  # in this loop: the system's own ends it in another
    assert stored.kind == "cancelled"


def complete(client, **fields):
    """Ask for a short completion that is the same every time."""
    return client.completions.create(
        **{"model": "stile", "prompt": "The sky is", "max_tokens": 8, "seed": 7, **fields}
    )


def test_a_completion_whole_and_streamed(client):
    """The real model answers; both say the same."""
    whole = complete(client)
    chunks = list(complete(client, stream=True, stream_options={"include_usage": True}))
    assert whole.choices[0].text
    text = "".join(choice.text for chunk in chunks for choice in chunk.choices)
    assert text == whole.choices[0].text
    assert chunks[-1].usage == whole.usage
    assert whole.model == NAME


@pytest.mark.parametrize("stream", [False, True])
def test_a_completion_that_is_refused(client, stream):
    """It was filtered."""
    answer = complete(client, prompt="What darnation!", stream=stream)
    last = list(answer)[-1] if stream else answer
    assert (last.choices[0].finish_reason, last.stile["category"]) == ("content_filter", "rudeness")


def test_a_completion_that_cannot_be(client):
    """openai-python's own error names the parameter."""
    with pytest.raises(openai.BadRequestError) as raised:
        complete(client, suffix="!")
    assert (raised.value.code, raised.value.param) == ("unsupported_parameter", "suffix")


def test_there_are_no_embeddings(client):
    """The 404 says so."""
    with pytest.raises(openai.NotFoundError, match="no embeddings"):
        client.embeddings.create(model="stile", input="Hi")
