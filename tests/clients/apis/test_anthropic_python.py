"""Anthropic's Python package before the whole system. The small model's words don't matter, the shapes do."""

import anthropic
import httpx
import pytest

from harness.models.llama import NAME
from harness.nats import results as outcomes
from harness.processes.wait import until

ASK = {"role": "user", "content": "Say hello."}
OSLO = {"role": "user", "content": "Oslo"}
RUDE = {"role": "user", "content": "What darnation!"}
WEATHER = {
    "name": "weather",
    "description": "Tells the weather of a city.",
    "input_schema": {
        "type": "object",
        "properties": {"city": {"type": "string", "maxLength": 20}},
        "required": ["city"],
    },
}


@pytest.fixture
def client(system):
    with anthropic.Anthropic(base_url=system.url, api_key="none", max_retries=0, timeout=120) as client:
        yield client


@pytest.fixture
def calling(calling_system):
    url = calling_system.url
    with anthropic.Anthropic(base_url=url, api_key="none", max_retries=0, timeout=60) as client:
        yield client


def asked(**fields):
    """Return a request for a short answer that is the same every time."""
    sampling = {"temperature": 0}  # the package names no parameter for it any more
    return {"model": NAME, "max_tokens": 16, "messages": [ASK], "extra_body": sampling, **fields}


def test_an_answer_and_a_stream(client):
    """Both say the same; the package's own stream helper puts the events together."""
    whole = client.messages.create(**asked())
    with client.messages.stream(**asked()) as stream:
        text = "".join(stream.text_stream)
        final = stream.get_final_message()
    [block] = whole.content
    assert (block.type, whole.role, whole.model) == ("text", "assistant", NAME)
    assert block.text
    assert text == final.content[0].text == block.text
    assert whole.stop_reason == final.stop_reason
    assert whole.stop_reason in {"end_turn", "max_tokens"}
    assert whole.usage.input_tokens == final.usage.input_tokens > 0
    assert whole.usage.output_tokens == final.usage.output_tokens <= 16
    assert whole.id.startswith("msg_")
    assert whole._request_id


def test_the_count_is_that_of_the_answer(client):
    """With a system prompt and tools, which the model reads too."""
    fields = {"model": NAME, "messages": [ASK], "system": "Be brief."}
    counted = client.messages.count_tokens(**fields)
    answer = client.messages.create(**fields, max_tokens=4)
    assert counted.input_tokens == answer.usage.input_tokens
    longer = client.messages.count_tokens(**{**fields, "messages": [{**ASK, "content": "hello " * 50}]})
    assert longer.input_tokens > counted.input_tokens + 40
    with pytest.raises(anthropic.BadRequestError, match="rudeness"):
        client.messages.count_tokens(**{**fields, "messages": [RUDE]})


def test_a_tool_is_called_and_answered(calling, calling_system):
    """Its call comes back with the tool's result, and the model goes on."""
    called = calling.messages.create(**asked(messages=[OSLO], tools=[WEATHER], tool_choice={"type": "any"}))
    [block] = called.content
    assert (called.stop_reason, block.type, block.name) == ("tool_use", "tool_use", "weather")
    assert block.input == {"city": "Oslo"}
    result = {"type": "tool_result", "tool_use_id": block.id, "content": "Rain, 7 degrees."}
    turns = [OSLO, {"role": "assistant", "content": called.content}, {"role": "user", "content": [result]}]
    last = calling.messages.create(**asked(messages=turns, tools=[WEATHER], system="Be brief."))
    assert last.content[0].text.startswith("echo: Rain, 7 degrees.")
    log = httpx.get(f"{calling_system.model.url}/standin/log").json()
    assert [turn["role"] for turn in log["last"]["messages"]] == ["system", "user", "assistant", "tool"]


def test_a_streamed_call_is_the_same_call(calling):
    """The package puts the deltas together to what the whole answer has."""
    fields = asked(messages=[OSLO], tools=[WEATHER], tool_choice={"type": "any"})
    with calling.messages.stream(**fields) as stream:
        final = stream.get_final_message()
    [block] = final.content
    assert (final.stop_reason, block.name, block.input) == ("tool_use", "weather", {"city": "Oslo"})


def test_the_answer_fits_a_schema(client):
    """It is constrained by the schema."""
    schema = {"type": "object", "properties": {"age": {"type": "integer"}}, "required": ["age"]}
    config = {"format": {"type": "json_schema", "schema": schema}}
    ada = {"role": "user", "content": "Ada is 36."}
    answer = client.messages.create(**asked(messages=[ada], output_config=config, max_tokens=200))
    assert answer.content[0].text.startswith("{")
    assert '"age"' in answer.content[0].text


@pytest.mark.parametrize(
    "fields",
    [{"messages": [RUDE]}, {"system": "Darnation."}, {"tools": [{**WEATHER, "description": "Darnation."}]}],
)
@pytest.mark.parametrize("stream", [False, True])
def test_a_refusal(client, fields, stream):
    """What the filter refuses, system prompt and tools included, is an answer that says so."""
    if stream:
        with client.messages.stream(**asked(**fields)) as events:
            answer = events.get_final_message()
    else:
        answer = client.messages.create(**asked(**fields))
    assert answer.stop_reason == "refusal"
    assert answer.content[0].text
    assert "rudeness" in answer.stop_details.explanation


@pytest.mark.parametrize(
    ("fields", "kind"),
    [
        ({"model": "claude-opus-4-1"}, anthropic.NotFoundError),
        ({"messages": []}, anthropic.BadRequestError),
        ({"extra_body": {"temperature": -1}}, anthropic.BadRequestError),
        ({"tools": [{"type": "web_search_20250305", "name": "web_search"}]}, anthropic.BadRequestError),
        ({"messages": [OSLO, {"role": "assistant", "content": "x"}] * 11}, anthropic.BadRequestError),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
def test_an_error_is_the_clients_own(client, fields, kind, stream):
    """The package raises the class that it has for the fault, with the request's id."""
    with pytest.raises(kind) as raised:
        list(client.messages.create(**asked(**fields), stream=stream))
    assert raised.value.body["type"] == "error"
    assert raised.value.body["error"]["message"]
    assert raised.value.body["request_id"] == raised.value.response.headers["request-id"]


async def test_a_stream_that_is_left_is_cancelled(system):
    """Closing it closes the connection, and the request's outcome is its cancellation."""
    story = {"role": "user", "content": "Write a long story about a fox."}
    with (
        anthropic.Anthropic(base_url=system.url, api_key="none", max_retries=0, timeout=120) as client,
        client.messages.create(**asked(messages=[story], max_tokens=1000), stream=True) as events,
    ):
        began = next(iter(events))
    chat_id = began.message.id.removeprefix("msg_")
    provisioner = await system.bus.connect("provisioner")

    async def outcome():
        return await outcomes.stored(provisioner, f"chat.result.*.{chat_id}")

    try:
        [stored] = await until(outcome, within=60, what="the request has an outcome")
    finally:
        await provisioner.close()  # in this loop: the system's own ends it in another
    assert stored.kind == "cancelled"
