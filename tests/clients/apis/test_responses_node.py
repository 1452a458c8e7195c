"""openai-node's ``responses`` and ``completions`` before the whole system: what it made of each answer."""

import json
from uuid import UUID

import pytest

from harness.clients import node
from harness.models.llama import NAME
from harness.nats import results as outcomes
from harness.processes.wait import until


@pytest.fixture(scope="module", autouse=True)
def _packages():
    node.install()


def ask(system, case):
    return node.run("responses.mjs", case, f"{system.url}/v1", NAME)


def test_a_stream_says_what_the_whole_answer_says(system):
    """Its events are numbered, and its last response is the whole one but for its id and time."""
    whole = ask(system, "whole")
    events = ask(system, "streamed")
    assert whole["output_text"]
    assert whole["model"] == NAME
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    text = "".join(event["delta"] for event in events if event["type"] == "response.output_text.delta")
    assert text == whole["output_text"]
    assert events[-1]["response"]["status"] == whole["status"]
    assert events[-1]["response"]["usage"] == whole["usage"]


def test_a_tool_is_called_and_answered(calling_system):
    """Its answer goes to the stored response, and the model goes on."""
    said = ask(calling_system, "tool")
    [call] = said["called"]["output"]
    assert (call["type"], call["name"]) == ("function_call", "weather")
    assert json.loads(call["arguments"]) == {"city": "Oslo"}
    assert said["last"]["output_text"].startswith("echo: Rain, 7 degrees.")


def test_a_streamed_call_is_put_together(calling_system):
    """The client's own stream helper reads the events as one call."""
    [call] = ask(calling_system, "streamedTool")["output"]
    assert json.loads(call["arguments"]) == {"city": "Oslo"}


def test_the_answer_fits_a_schema(system):
    """``parse`` with zod reads what the model wrote."""
    parsed = ask(system, "schema")
    assert isinstance(parsed["name"], str)
    assert isinstance(parsed["age"], int)


def test_a_refusal(system):
    """It is an answer that was filtered, with its category beside it."""
    answer = ask(system, "refusal")
    assert (answer["status"], answer["incomplete_details"]["reason"]) == ("incomplete", "content_filter")
    assert answer["stile"]["category"] == "rudeness"


def test_an_error_is_the_clients_own(system):
    """Class, status, code and parameter are read from the answer; a stream that has begun raises too."""
    errors = ask(system, "error")
    assert errors["whole"] == {
        "kind": "BadRequestError",
        "status": 400,
        "code": "unsupported_parameter",
        "param": "tools[0].type",
    }
    assert errors["begun"]["code"] == "context_length_exceeded"


def test_a_response_is_read_and_deleted(system):
    """After that it is the client's NotFoundError."""
    said = ask(system, "deleted")
    assert said["kept"]["object"] == "response"
    assert (said["error"]["kind"], said["error"]["status"]) == ("NotFoundError", 404)


async def test_a_stream_that_is_left_is_cancelled(system):
    """Leaving the loop closes the connection, and the request's outcome is its cancellation."""
    chat_id = UUID(ask(system, "left").removeprefix("resp_"))
    provisioner = await system.bus.connect("provisioner")

    async def outcome():
        return await outcomes.stored(provisioner, f"chat.result.*.{chat_id}")

    try:
        [stored] = await until(outcome, within=60, what="the request has an outcome")
    finally:
        await provisioner.close()  # in this loop: the system's own ends it in another
    assert stored.kind == "cancelled"


def test_completions(system):
    """Whole and streamed they say the same."""
    said = ask(system, "completions")
    assert said["whole"]["choices"][0]["text"]
    text = "".join(choice["text"] for chunk in said["chunks"] for choice in chunk["choices"])
    assert text == said["whole"]["choices"][0]["text"]
