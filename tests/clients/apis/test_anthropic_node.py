"""Anthropic's Node package before the whole system: what the client made of each answer."""

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
    return node.run("anthropic.mjs", case, system.url, NAME)


def test_a_stream_says_what_the_whole_answer_says(system):
    """And the count of a conversation is the one that its answer tells."""
    whole, streamed, count = ask(system, "whole"), ask(system, "streamed"), ask(system, "count")
    assert whole["content"][0]["text"]
    assert (whole["role"], whole["model"]) == ("assistant", NAME)
    for field in ("content", "stop_reason", "usage"):
        assert streamed[field] == whole[field]
    assert count == {"input_tokens": whole["usage"]["input_tokens"]}


def test_a_tool_is_called_and_answered(calling_system):
    """Its call comes back with the tool's result, and the model goes on."""
    said = ask(calling_system, "tool")
    [call] = said["called"]["content"]
    assert (said["called"]["stop_reason"], call["type"], call["name"]) == ("tool_use", "tool_use", "weather")
    assert call["input"] == {"city": "Oslo"}
    assert said["last"]["content"][0]["text"].startswith("echo: Rain, 7 degrees.")


def test_a_streamed_call_is_put_together(calling_system):
    """The client's own stream helper reads the deltas as one call."""
    answer = ask(calling_system, "streamedTool")
    [call] = answer["content"]
    assert (answer["stop_reason"], call["input"]) == ("tool_use", {"city": "Oslo"})


def test_a_refusal(system):
    """It is an answer that says so, with its category beside it."""
    answer = ask(system, "refusal")
    assert answer["stop_reason"] == "refusal"
    assert answer["content"][0]["text"]
    assert answer["stile"]["category"] == "rudeness"


def test_an_error_is_the_clients_own(system):
    """Class, status, type and the request's id are read from the answer."""
    error = ask(system, "error")
    assert error.pop("id")
    assert error == {"kind": "NotFoundError", "status": 404, "type": "not_found_error"}


async def test_a_stream_that_is_left_is_cancelled(system):
    """Leaving the loop closes the connection, and the request's outcome is its cancellation."""
    chat_id = UUID(ask(system, "left").removeprefix("msg_"))
    provisioner = await system.bus.connect("provisioner")

    async def outcome():
        return await outcomes.stored(provisioner, f"chat.result.*.{chat_id}")

    try:
        [stored] = await until(outcome, within=60, what="the request has an outcome")
    finally:
        await provisioner.close()  # in this loop: the system's own ends it in another
    assert stored.kind == "cancelled"
