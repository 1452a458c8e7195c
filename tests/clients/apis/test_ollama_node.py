"""ollama-js before the whole system: what the client made of each answer."""

import pytest

from harness.clients import node
from harness.models.llama import NAME
from harness.nats import results as outcomes
from harness.processes.wait import until

TAGGED = f"{NAME}:latest"


@pytest.fixture(scope="module", autouse=True)
def _packages():
    node.install()


def ask(system, case):
    return node.run("ollama.mjs", case, system.url, NAME)


def test_a_stream_says_what_the_whole_answer_says(system):
    """And a prompt is answered as a chat is."""
    whole, parts, prompt = ask(system, "whole"), ask(system, "streamed"), ask(system, "prompt")
    assert whole["message"]["content"]
    assert "".join(part["message"]["content"] for part in parts) == whole["message"]["content"]
    assert prompt["response"] == whole["message"]["content"]
    assert (whole["model"], whole["done"], parts[-1]["done"]) == (TAGGED, True, True)
    assert whole["eval_count"] == parts[-1]["eval_count"]


def test_a_tool_is_called_and_answered(calling_system):
    """Its call comes back with the tool's answer, and the model goes on."""
    said = ask(calling_system, "tool")
    [call] = said["called"]["message"]["tool_calls"]
    assert (call["function"]["name"], call["function"]["arguments"]) == ("weather", {"city": "Call it."})
    assert said["last"]["message"]["content"].startswith("echo: Rain, 7 degrees.")


def test_a_streamed_call_is_whole(calling_system):
    """In one part, before the last."""
    parts = ask(calling_system, "streamedTool")
    [calls] = [part["message"]["tool_calls"] for part in parts if "tool_calls" in part["message"]]
    assert calls[0]["function"]["arguments"] == {"city": "Call it."}
    assert parts[-1]["done"]


def test_a_refusal(system):
    """It is an answer that was filtered, with its category beside it."""
    answer = ask(system, "refusal")
    assert answer["message"]["content"]
    assert answer["done_reason"] == "content_filter"
    assert answer["stile"]["category"] == "rudeness"


def test_an_error_is_the_clients_own(system):
    """Its class, the status and the words are read from the answer."""
    errors = ask(system, "error")
    assert {error["kind"] for error in errors.values()} == {"ResponseError"}
    assert [errors[case]["status"] for case in ("unknown", "streamed", "pull")] == [404, 404, 400]
    assert NAME in errors["unknown"]["message"]


async def test_a_stream_that_is_left_is_cancelled(system):
    """Aborting it closes the connection, and the request's outcome is its cancellation."""
    assert ask(system, "left") == "aborted"
    provisioner = await system.bus.connect("provisioner")

    async def cancelled():
        stored = await outcomes.stored(provisioner, "chat.result.>")
        return [one for one in stored if one.kind == "cancelled"]

    try:
        await until(cancelled, within=60, what="the request is cancelled")
    finally:
        await provisioner.close()  # in this loop: the system's own ends it in another


def test_models(system):
    """They are listed, loaded and shown; the version is one that clients can compare."""
    said = ask(system, "models")
    assert said["names"] == [[TAGGED], [TAGGED]]
    assert "completion" in said["capabilities"]
    assert all(part.isdigit() for part in said["version"].split("."))
