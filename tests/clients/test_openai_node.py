"""openai-node before the whole system: what the client made of each answer."""

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
    return node.run("openai.mjs", case, f"{system.url}/v1", NAME)


def test_a_stream_says_what_the_whole_answer_says(system):
    """Under one id, the role first, the reason and then the counts last."""
    whole = ask(system, "whole")
    chunks = ask(system, "streamed")
    [choice] = whole["choices"]
    assert choice["message"]["role"] == "assistant"
    assert choice["message"]["content"]
    assert whole["model"] == NAME
    assert len({(chunk["id"], chunk["created"]) for chunk in chunks}) == 1
    assert chunks[0]["choices"][0]["delta"]["role"] == "assistant"
    deltas = [choice["delta"] for chunk in chunks for choice in chunk["choices"]]
    assert "".join(delta.get("content") or "" for delta in deltas) == choice["message"]["content"]
    assert chunks[-2]["choices"][0]["finish_reason"] == choice["finish_reason"]
    assert chunks[-1]["choices"] == []
    assert chunks[-1]["usage"] == whole["usage"]


def test_a_tool_is_called_and_answered(calling_system):
    """Its call comes back with the tool's answer, and the model goes on."""
    said = ask(calling_system, "tool")
    [choice] = said["called"]["choices"]
    [call] = choice["message"]["tool_calls"]
    assert choice["finish_reason"] == "tool_calls"
    assert (call["type"], call["function"]["name"]) == ("function", "weather")
    assert json.loads(call["function"]["arguments"]) == {"city": "Oslo"}
    assert said["last"]["choices"][0]["message"]["content"].startswith("echo: Rain, 7 degrees.")


def test_a_streamed_call_is_put_together(calling_system):
    """The client's own stream helper reads the deltas as one call."""
    [choice] = ask(calling_system, "streamedTool")["choices"]
    [call] = choice["message"]["tool_calls"]
    assert choice["finish_reason"] == "tool_calls"
    assert json.loads(call["function"]["arguments"]) == {"city": "Oslo"}


def test_the_answer_fits_a_schema(system):
    """``parse`` with zod reads what the model wrote."""
    parsed = ask(system, "schema")
    assert isinstance(parsed["name"], str)
    assert isinstance(parsed["age"], int)


def test_a_refusal(system):
    """It is a message that was filtered, with its category beside it."""
    answer = ask(system, "refusal")
    assert answer["choices"][0]["finish_reason"] == "content_filter"
    assert answer["stile"]["category"] == "rudeness"


def test_an_error_is_the_clients_own(system):
    """Class, status, code, parameter and the request's id are read from the answer."""
    error = ask(system, "error")
    assert error.pop("requestID")
    assert error == {
        "kind": "BadRequestError",
        "status": 400,
        "code": "unsupported_parameter",
        "param": "n",
    }


async def test_a_stream_that_is_left_is_cancelled(system):
    """Leaving the loop closes the connection, and the request's outcome is its cancellation."""
    chat_id = UUID(ask(system, "left").removeprefix("chatcmpl-"))
    provisioner = await system.bus.connect("provisioner")

    async def outcome():
        return await outcomes.stored(provisioner, f"chat.result.*.{chat_id}")

    try:
        [stored] = await until(outcome, within=60, what="the request has an outcome")
    finally:
        await provisioner.close()  # in this loop: the system's own ends it in another
    assert stored.kind == "cancelled"


def test_models(system):
    """The list is read page by page, and there is one page."""
    assert ask(system, "models") == [NAME]
