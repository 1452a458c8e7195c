"""Conversations whose oldest exchanges may be left out: what approvals say, and what is checked for it."""

import json

import pytest

from harness.filter.deciding import Deciding, calling
from stile_contracts.messages import ApprovedChat

TURNS = [
    {"role": "system", "content": "Be kind."},
    {"role": "assistant", "content": "Hello."},
    {"role": "user", "content": "One?"},
    calling("f", "{}"),
    {"role": "tool", "tool_call_id": "c1", "content": "1"},
    {"role": "assistant", "content": "One."},
    {"role": "user", "content": "Two?"},
    {"role": "user", "content": "Please."},
    {"role": "assistant", "content": "Two."},
]


async def approved(system, **changed):
    """Return what the model gets of TURNS and a question."""
    [message] = await system.gateway({"messages": TURNS, "prompt": "Three?"}, **changed)
    assert message.headers["Chat-Event"] == "accepted"
    [stored] = system.store.chat.values()
    return ApprovedChat.model_validate_json(stored.body)


async def test_an_approval_says_where_exchanges_begin(system):
    """With what the user says, in one message or more; what was before that belongs to the first."""
    chat = await approved(system, Chat_Trim="oldest")
    assert chat.exchanges == [1, 6, 9]
    assert [chat.messages[index].content for index in chat.exchanges] == ["Hello.", "Two?", "Three?"]


@pytest.mark.parametrize(
    ("policy", "header", "is_trimmed"),
    [("none", None, False), ("oldest", None, True), ("oldest", "none", False), ("none", "oldest", True)],
)
async def test_the_header_outweighs_the_policy(policy_file, policy, header, is_trimmed):
    """Without one, the owner's word counts."""
    system = Deciding(policy_file(f"trim: {policy}\n"))
    chat = await approved(system, Chat_Trim=header)
    assert (chat.exchanges is not None) is is_trimmed


@pytest.mark.parametrize("header", ["newest", "", "OLDEST"])
async def test_another_word_is_an_error(system, header):
    """It is named, and nothing is approved."""
    [message] = await system.gateway({"prompt": "x"}, Chat_Trim=header)
    error = json.loads(message.body)["error"]
    assert (error["code"], error["param"]) == ("invalid_header", "Chat-Trim")
    assert not system.store.chat


async def test_a_phrase_that_trimming_would_join_is_refused(policy_file):
    """The system message and a later question are apart, unless what is between may be left out."""
    words = "keywords: [{id: words, category: c, phrases: [rain of frogs]}]\n"
    turns = [
        {"role": "system", "content": "Speak of rain"},
        {"role": "user", "content": "Hello, who are you?"},
        {"role": "assistant", "content": "A model."},
        {"role": "user", "content": "of frogs"},
    ]
    for header, event in ((None, "accepted"), ("oldest", "done")):
        system = Deciding(policy_file(words))
        [message] = await system.gateway({"messages": turns}, Chat_Trim=header)
        assert message.headers["Chat-Event"] == event
