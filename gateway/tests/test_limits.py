"""Limits of a request: which field is named, and that the schema shows them."""

import json

import pytest

from stile_contracts.messages import ChatRequest
from stile_gateway.errors import InvalidRequestError
from stile_gateway.limits import read_request, request_model
from stile_gateway.settings import Settings

LIMITS = Settings(max_prompt_chars=5, max_message_chars=6, max_messages=2)


@pytest.fixture
def model():
    return request_model(LIMITS)


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ('{"prompt": "123456"}', "prompt"),
        ('{"prompt": ""}', "prompt"),
        ('{"prompt": 1}', "prompt"),
        ('{"messages": [{"role": "user", "content": "1234567"}]}', "messages[0].content"),
        (
            '{"messages": [{"role": "user", "content": "1"}, {"role": "nurse", "content": "1"}]}',
            "messages[1].role",
        ),
        (json.dumps({"messages": [{"role": "user", "content": "1"}] * 3}), "messages"),
        ('{"prompt": "1", "refusal_message": "%s"}' % ("x" * 501), "refusal_message"),
        ('{"prompt": "1", "temperature": -1}', "temperature"),
        ('{"prompt": "1", "temperature": NaN}', "temperature"),
        ('{"prompt": "1", "stop": ["a", ""]}', "stop[1]"),
        ("{}", "body"),
        ('{"messages": []}', "body"),
        ("[]", "body"),
        ('{"prompt": "1"', "body"),
        ('{"prompt": "\\ud800"}', "body"),
        ("[" * 100_000, "body"),
        ("", "body"),
    ],
)
def test_the_field_at_fault_is_named(model, body, param):
    """What is wrong is said by its place, and none of the client's text is said back."""
    with pytest.raises(InvalidRequestError) as raised:
        read_request(model, body.encode())
    assert raised.value.param == param
    assert "nurse" not in raised.value.message
    assert "1234" not in raised.value.message


@pytest.mark.parametrize(
    "body",
    [
        '{"prompt": "12345"}',
        '{"prompt": "äöüßé"}',
        '{"messages": [{"role": "user", "content": "123456"}, {"role": "assistant", "content": ""}]}',
        '{"prompt": "1", "unknown": {"a": [1]}}',
    ],
)
def test_up_to_the_limit_all_is_well(model, body):
    """Limits count characters, not bytes, and are reached before they are passed."""
    read_request(model, body.encode())


def test_it_is_the_contracts_request_with_limits(model):
    """The model differs from the contract's in its limits and in nothing else."""
    assert issubclass(model, ChatRequest)
    own, contract = model.model_json_schema(), ChatRequest.model_json_schema()
    assert own["properties"]["prompt"]["anyOf"][0].pop("maxLength") == 5
    assert own["properties"]["messages"]["anyOf"][0].pop("maxItems") == 2
    assert own["$defs"]["ChatMessage"]["properties"]["content"]["anyOf"][0].pop("maxLength") == 6
    assert own == contract
