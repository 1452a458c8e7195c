"""Limits of a request, and what is wrong with one: which field is named."""

import json

import pytest

from stile_gateway.dialects.openai.request import read_completion
from stile_gateway.dialects.stile.api import read_chat
from stile_gateway.errors import InvalidRequestError
from stile_gateway.http.dependencies import ContentLimits

LIMITS = ContentLimits(prompt_chars=5, message_chars=6, messages=2)


def read(body):
    chat = read_chat(body.encode())
    LIMITS.check(chat.prompt, [message.content for message in chat.messages or ()])


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
def test_the_field_at_fault_is_named(body, param):
    """What is wrong is said by its place, and none of the client's text is said back."""
    with pytest.raises(InvalidRequestError) as raised:
        read(body)
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
def test_up_to_the_limit_all_is_well(body):
    """Limits count characters, not bytes, and are reached before they are passed."""
    read(body)


def test_without_limits_of_its_own_the_gateway_takes_any_content():
    """The policy decides then; nothing is limited twice."""
    ContentLimits().check("x" * 100_000, ["x" * 100_000] * 1000)


@pytest.mark.parametrize(
    ("messages", "param"),
    [
        ([{"role": "user", "content": "1234567"}], "messages[0].content"),
        (
            [{"role": "user", "content": [{"type": "text", "text": t} for t in ("123", "4567")]}],
            "messages[0].content",
        ),
        ([{"role": "user", "content": "1"}] * 3, "messages"),
    ],
)
def test_openais_requests_have_the_same_limits(messages, param):
    """A text in parts counts as the whole that the model reads."""
    call = read_completion(json.dumps({"messages": messages}).encode())
    with pytest.raises(InvalidRequestError) as raised:
        LIMITS.check(call.prompt, call.contents)
    assert raised.value.param == param
