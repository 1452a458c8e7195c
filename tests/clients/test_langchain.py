"""LangChain's ChatOpenAI before the whole system."""

import pytest
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI
from pydantic import BaseModel

from harness.models.llama import NAME


@pytest.fixture
def model(system):
    """ChatOpenAI, as docs/clients.md sets it up."""
    return chat_openai(system)


def chat_openai(system):
    return ChatOpenAI(
        base_url=f"{system.url}/v1", api_key="none", model=NAME, max_tokens=100, seed=7, max_retries=0
    )


def test_an_answer_streamed_and_not(model):
    """Both say the same."""
    whole = model.invoke("Say hello.")
    assert whole.content
    assert whole.usage_metadata["output_tokens"] > 0
    assert "".join(chunk.content for chunk in model.stream("Say hello.")) == whole.content


@tool
def weather(city: str) -> str:
    """Tell the weather of a city."""
    return f"Rain in {city}."


def test_a_tool(calling_system):
    """A bound tool is called, and what it answered goes back."""
    model = chat_openai(calling_system)
    asked = HumanMessage("What is the weather in Oslo?")
    called = model.bind_tools([weather], tool_choice="required").invoke([asked])
    [call] = called.tool_calls
    assert call["name"] == "weather"
    assert set(call["args"]) == {"city"}
    answered = ToolMessage(weather.invoke(call["args"]), tool_call_id=call["id"])
    assert isinstance(model.bind_tools([weather]).invoke([asked, called, answered]), AIMessage)


class Person(BaseModel):
    """A person."""

    name: str
    age: int


def test_structured_output(model):
    """The answer is read as what was asked for."""
    asked = model.with_structured_output(Person, method="json_schema")
    assert isinstance(asked.invoke("Ada is 36."), Person)
