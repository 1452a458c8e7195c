"""The Vercel AI SDK's openai-compatible provider before the whole system."""

import pytest

from harness.clients import node
from harness.models.llama import NAME


@pytest.fixture(scope="module", autouse=True)
def _packages():
    node.install()


def ask(system, case):
    return node.run("ai-sdk.mjs", case, f"{system.url}/v1", NAME)


def test_an_answer_streamed_and_not(system):
    """``streamText`` and ``generateText`` say the same."""
    whole = ask(system, "whole")
    streamed = ask(system, "streamed")
    assert whole["text"]
    assert whole["usage"]["outputTokens"] > 0
    assert whole["finishReason"] in {"stop", "length"}
    assert "".join(streamed["parts"]) == whole["text"]
    assert streamed["finishReason"] == whole["finishReason"]


def test_a_tool_is_called(calling_system):
    """The SDK runs its function with the arguments that the model wrote."""
    assert ask(calling_system, "tool") == [{"city": "Oslo"}]


def test_the_answer_fits_a_schema(system):
    """``Output.object`` sends a JSON Schema and reads the answer by it."""
    output = ask(system, "schema")
    assert isinstance(output["name"], str)
    assert isinstance(output["age"], int)
