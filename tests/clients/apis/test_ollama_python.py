"""ollama-python before the whole system, and the calls that Home Assistant's integration makes with it."""

from datetime import UTC, datetime

import httpx
import ollama
import pytest

from harness.models.llama import NAME
from harness.nats import results as outcomes
from harness.processes.wait import until

ASK = {"role": "user", "content": "Say hello."}
SHORT = {"num_predict": 16, "seed": 7, "num_ctx": 8192}
RUDE = {"role": "user", "content": "What darnation!"}
WEATHER = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "Tells the weather of a city.",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string", "maxLength": 20}},
            "required": ["city"],
        },
    },
}


@pytest.fixture
def client(system):
    with ollama.Client(host=system.url, timeout=120) as client:
        yield client


@pytest.fixture
def calling(calling_system):
    with ollama.Client(host=calling_system.url, timeout=60) as client:
        yield client


def text_of(parts):
    return "".join(part.message.content for part in parts)


def test_an_answer_and_a_stream(client):
    """Both say the same; the counts and durations are those of the model."""
    whole = client.chat(model=NAME, messages=[ASK], options=SHORT)
    parts = list(client.chat(model=NAME, messages=[ASK], options=SHORT, stream=True))
    assert whole.message.content
    assert text_of(parts) == whole.message.content
    assert (whole.model, whole.done) == (f"{NAME}:latest", True)
    assert whole.done_reason in {"stop", "length"}
    assert [part.done for part in parts] == [False] * (len(parts) - 1) + [True]
    assert whole.eval_count == parts[-1].eval_count <= SHORT["num_predict"]
    assert whole.prompt_eval_count > 0
    assert 0 < whole.eval_duration <= whole.total_duration


def test_a_prompt(client):
    """`generate` says what `chat` says of the same text."""
    asked = {"model": NAME, "prompt": ASK["content"], "options": SHORT}
    whole = client.generate(**asked)
    parts = list(client.generate(**asked, stream=True))
    chat = client.chat(model=NAME, messages=[ASK], options=SHORT)
    assert "".join(part.response for part in parts) == whole.response == chat.message.content


def test_a_systems_words_reach_the_model(calling_system, calling):
    """Before all others, as a message of their own."""
    calling.generate(model=NAME, prompt="Oslo", system="Be brief.")
    log = httpx.get(f"{calling_system.model.url}/standin/log").json()
    assert [turn["content"] for turn in log["last"]["messages"]] == ["Be brief.", "Oslo"]


def test_the_answer_fits_a_schema(client):
    """A schema is kept, and so is plain JSON."""
    schema = {"type": "object", "properties": {"age": {"type": "integer"}}, "required": ["age"]}
    ada = {"role": "user", "content": "Ada is 36."}
    options = {"num_predict": 200, "seed": 7}
    answer = client.chat(model=NAME, messages=[ada], format=schema, options=options)
    assert answer.message.content.startswith("{")
    assert '"age"' in answer.message.content


@pytest.mark.parametrize("stream", [False, True])
def test_a_tool_is_called_and_answered(calling, stream):
    """Its arguments are an object; the message goes back as it came, with the tool's answer."""
    ask = {"role": "user", "content": "Call it."}
    asked = {"model": NAME, "messages": [ask], "tools": [WEATHER], "stream": stream}
    answer = calling.chat(**asked)
    parts = list(answer) if stream else [answer]
    [called] = [part.message for part in parts if part.message.tool_calls]
    [call] = called.tool_calls
    assert (call.function.name, call.function.arguments) == ("weather", {"city": "Call it."})
    assert (parts[-1].done, parts[-1].done_reason) == (True, "stop")
    answered = {"role": "tool", "tool_name": "weather", "content": "Rain, 7 degrees."}
    last = calling.chat(model=NAME, messages=[ask, called, answered], tools=[WEATHER])
    assert last.message.content.startswith("echo: Rain, 7 degrees.")


@pytest.mark.parametrize("stream", [False, True])
def test_a_refusal(client, stream):
    """What the filter refuses is an answer that was filtered."""
    answer = client.chat(model=NAME, messages=[RUDE], stream=stream)
    parts = list(answer) if stream else [answer]
    assert text_of(parts)
    assert parts[-1].done_reason == "content_filter"


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("fields", "status", "words"),
    [
        ({"model": "llama3.2"}, 404, NAME),
        ({"messages": [{**ASK, "images": [b"hi"]}]}, 400, "text alone"),
        ({"options": {"temperature": -1}}, 400, "options.temperature"),
        ({"messages": [ASK] * 21}, 400, "messages"),
    ],
)
def test_an_error_is_the_clients_own(client, fields, status, words, stream):
    """A status, and words that say what to do."""
    with pytest.raises(ollama.ResponseError) as raised:
        list(client.chat(**{"model": NAME, "messages": [ASK], **fields}, stream=stream))
    assert raised.value.status_code == status
    assert words in raised.value.error


def test_models(client):
    """They are listed, shown and loaded; nothing of them can be changed."""
    [listed] = client.list().models
    [loaded] = client.ps().models
    assert (listed.model, loaded.model) == (f"{NAME}:latest", f"{NAME}:latest")
    assert loaded.expires_at > datetime.now(UTC)
    shown = client.show(NAME)
    assert "completion" in shown.capabilities
    architecture = shown.modelinfo["general.architecture"]
    assert shown.modelinfo[f"{architecture}.context_length"] == loaded.context_length > 0
    assert client.chat(model=NAME, messages=[]).done_reason == "load"
    assert client.generate(model=NAME, prompt="", keep_alive=0).done_reason == "unload"
    changes = [
        lambda: client.pull("llama3.2"),
        lambda: list(client.pull("llama3.2", stream=True)),
        lambda: client.push(NAME),
        lambda: client.create("mine", from_=NAME),
        lambda: client.copy(NAME, "mine"),
        lambda: client.delete(NAME),
        lambda: client.embed(NAME, "x"),
        lambda: client.embeddings(NAME, "x"),
    ]
    for change in changes:
        with pytest.raises(ollama.ResponseError) as raised:
            change()
        assert raised.value.status_code == 400
        assert "Stile's models" in raised.value.error


async def test_a_stream_that_is_left_is_cancelled(system):
    """Closing it closes the connection, and the request's outcome is its cancellation."""
    async with ollama.AsyncClient(host=system.url, timeout=120) as client:
        story = {"role": "user", "content": "Write a long story about a fox."}
        parts = await client.chat(model=NAME, messages=[story], options={"seed": 7}, stream=True)
        async for part in parts:
            if part.message.content:
                break
        await parts.aclose()
    provisioner = await system.bus.connect("provisioner")

    async def cancelled():
        stored = await outcomes.stored(provisioner, "chat.result.>")
        return [one for one in stored if one.kind == "cancelled"]

    try:
        await until(cancelled, within=60, what="the request is cancelled")
    finally:
        await provisioner.close()  # in this loop: the system's own ends it in another


async def test_what_home_assistant_sends(calling_system):
    """Its list, its stream with tools, and the answer to a call that says not which."""
    async with ollama.AsyncClient(host=calling_system.url, timeout=60) as client:
        [model] = [one["model"] for one in (await client.list())["models"]]
        history = [
            ollama.Message(role="system", content="You are a voice assistant."),
            ollama.Message(role="user", content="Is it raining?"),
            ollama.Message(
                role="assistant",
                content=None,
                tool_calls=[
                    ollama.Message.ToolCall(
                        function=ollama.Message.ToolCall.Function(name="weather", arguments={"city": "Oslo"})
                    )
                ],
            ),
            ollama.Message(role="tool", content='{"data": "rain", "error": null}'),
        ]
        stream = await client.chat(
            model=model,
            messages=history,
            tools=[WEATHER],
            stream=True,
            keep_alive="-1s",
            options={"num_ctx": 8192},
            think=False,
            format=None,
        )
        parts = [part async for part in stream]
    text = "".join(part["message"].get("content") or "" for part in parts)
    assert text.startswith('echo: {"data": "rain"')
    assert parts[-1]["done"]
