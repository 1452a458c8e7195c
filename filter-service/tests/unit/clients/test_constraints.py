"""What constrains an answer is kept or refused, and never dropped."""

import json

import pytest

from harness.filter.deciding import Deciding, error_of, tool

SCHEMA = {"type": "object", "properties": {"a": {"type": "integer"}}}
FORMAT = {"type": "json_schema", "json_schema": {"schema": SCHEMA}}


@pytest.fixture
def system(policy_file):
    return Deciding(policy_file(""))


def output(system):
    [stored] = system.store.chat.values()
    return json.loads(stored.body)["output"]


@pytest.mark.parametrize("way", ["gateway", "direct"])
@pytest.mark.parametrize(
    "body",
    [
        {"response_format": {"type": "json_object", "schema": SCHEMA}},
        {"response_format": {"type": "json_schema", "schema": SCHEMA}},
        {"response_format": FORMAT},
        {"json_schema": SCHEMA},
    ],
)
async def test_a_schema_is_kept_however_it_is_given(system, way, body):
    """In the one form that llama.cpp and the checks of its cost read."""
    await getattr(system, way)({"prompt": "x", **body})
    assert output(system)["response_format"] == FORMAT


async def test_a_schema_in_any_form_is_checked(system):
    """For what it costs, and for its texts."""
    dear = {"type": "string", "pattern": "^([a-z]?){3000}$"}
    for body in (
        {"json_schema": dear},
        {"response_format": {"type": "json_object", "schema": dear}},
        {"response_format": {"type": "json_schema", "schema": dear}},
    ):
        error = error_of(await system.gateway({"prompt": "x", **body}))
        assert error.param.startswith("response_format.json_schema.schema")


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"grammar": 'root ::= "x"'}, "grammar"),
        ({"guided_json": {}, "guided_choice": ["a"]}, "guided_choice"),
        ({"guided_regex": "a*"}, "guided_regex"),
        ({"structured_outputs": {"regex": "a"}}, "structured_outputs"),
        ({"logit_bias": {"1": 5}}, "logit_bias"),
        ({"functions": [{"name": "f"}]}, "functions"),
        ({"json_schema": SCHEMA, "response_format": FORMAT}, "json_schema"),
        ({"json_schema": "x"}, "json_schema"),
        ({"response_format": {"type": "text", "schema": SCHEMA}}, "response_format"),
        ({"response_format": {**FORMAT, "schema": SCHEMA}}, "response_format"),
        ({"response_format": {"type": "regex", "pattern": "a"}}, "response_format.type"),
        ({"tool_choice": "required"}, "tool_choice"),
        ({"tool_choice": "required", "tools": []}, "tool_choice"),
    ],
)
async def test_what_cannot_be_kept_is_refused(system, body, param):
    """The error names it, and nothing is approved."""
    error = error_of(await system.gateway({"prompt": "x", **body}))
    assert (error.code, error.param) == ("invalid_request", param)
    assert system.store.chat == {}


async def test_an_empty_one_is_none(system):
    """Clients send their fields' defaults."""
    await system.gateway(
        {"prompt": "x", "grammar": "", "logit_bias": {}, "functions": None, "guided_json": None}
    )
    assert output(system) == {}


async def test_a_named_tool_is_the_only_one_and_required(system):
    """llama.cpp knows no named choice."""
    tools = [tool("weather"), tool("time")]
    choice = {"type": "function", "function": {"name": "time"}}
    await system.gateway({"prompt": "x", "tools": tools, "tool_choice": choice})
    sent = output(system)
    assert [one["function"]["name"] for one in sent["tools"]] == ["time"]
    assert sent["tool_choice"] == "required"
