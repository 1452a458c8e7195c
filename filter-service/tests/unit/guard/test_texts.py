"""Which texts of a request are looked at: all that the model can read, as it reads them."""

import json
from types import UnionType
from typing import Any, get_args, get_origin

import pytest
from pydantic import BaseModel

from harness.filter.deciding import calling, error_of, tool
from stile_contracts.messages import ApprovedChat, ChatMessage, ChatRequest, Output, Sampling
from stile_filter.guard.texts import RequestTexts

ESCAPED = "d\\u0061rn"
"""``darn``, as JSON may write it."""

NOT_READ = {
    "refusal_message": "the worker sends it to its writer alone",
    "messages.tool_calls.id": "replaced in the approval",
    "messages.tool_call_id": "replaced in the approval",
    "sampling.stop": "compared with the answer; tests/integration/worker/test_llama.py holds that to be so",
    "output.tool_choice.function.name": "the name of one of the tools, which are looked at",
    "model": "the name that a worker gave",
}
"""The free texts of an approval that need not be looked at, and why."""


def filled(annotation, place, found):
    """Return a value of the type with a word of its own in every free text, noted under its place."""
    if get_origin(annotation) in {list, dict}:
        inner = filled(get_args(annotation)[-1], place, found)
        return [inner] if get_origin(annotation) is list else {inner: inner}
    if get_origin(annotation) is UnionType or (get_args(annotation) and type(None) in get_args(annotation)):
        options = [one for one in get_args(annotation) if one is not type(None)]
        return filled(next((o for o in options if is_model(o)), options[0]), place, found)
    if is_model(annotation):
        fields = annotation.model_fields.items()
        inner = {
            name: filled(field.annotation, f"{place}.{name}".lstrip("."), found) for name, field in fields
        }
        return annotation.model_construct(**inner)
    if get_origin(annotation) is not None and hasattr(annotation, "__metadata__"):
        return filled(get_args(annotation)[0], place, found)
    if annotation in {str, Any}:
        return found.setdefault(place, f"word{len(found)}word")
    return None


def is_model(annotation):
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def test_every_free_text_of_an_approval_is_looked_at():
    """A text field that somebody adds to it is among the texts, or stands above with its reason."""
    found = {}
    approved = filled(ApprovedChat, "", found)
    parts = {name: getattr(approved.sampling, name) for name in Sampling.model_fields}
    parts |= {name: getattr(approved.output, name) for name in Output.model_fields}
    request = ChatRequest.model_construct(prompt=None, messages=approved.messages, model=None, **parts)
    looked_at = RequestTexts(request).joined.whole
    assert {place for place, word in found.items() if word not in looked_at} == set(NOT_READ)
    assert "messages.content" in found
    assert "output.response_format.json_schema.schema_" in found


@pytest.mark.parametrize(
    "content",
    [
        '{"a":"%s"}',
        '\ufeff{"a":"%s"}',
        '{"a":"%s"}\0 x',
        '{"a":"%s",}',
        '{"a":"%s","b":' + "[" * 5000,
        '{"a":"%s","a":1}',
        '{"a":"x","a":"%s"}',
        '{"%s":1e999}',
        '{"a":"\\ud800 %s"}',
        '{"a":"%s \\ud800"}',
        'They say " that {"a":"%s"}',
        '{"a":"%s',
        "{'a':'%s'}",
        "%s",
    ],
)
async def test_escapes_hide_nothing_in_what_a_tool_returns(system, content):
    """Some templates read it as JSON and write it anew, by readers that are less strict than another."""
    turn = {"role": "tool", "tool_call_id": "c1", "content": content.replace("%s", ESCAPED)}
    [said] = await system.gateway({"messages": [turn]})
    assert json.loads(said.body)["refusal"]["place"] == "messages[0]", content


async def test_escapes_hide_nothing_in_arguments(system):
    """They are written anew before they are looked at, and handed on so."""
    [said] = await system.gateway({"messages": [calling("f", f'{{"a":"{ESCAPED}"}}')]})
    assert json.loads(said.body)["refusal"]["place"] == "messages[0]"
    await system.gateway({"messages": [calling("f", '{ "a" : "b\\u0061rn" }')]})
    [stored] = system.store.chat.values()
    [turn] = json.loads(stored.body)["messages"]
    assert turn["tool_calls"][0]["function"]["arguments"] == '{"a":"barn"}'


@pytest.mark.parametrize(
    "arguments", ['{"a":"\\ud800"}', '{"a":1,}', '{"a":1e999}', '{"a":1}\0', '{"a":1,"a":2}', "x"]
)
async def test_arguments_that_readers_differ_over_are_an_error(system, arguments):
    """Never ``internal``; the field is named, and nothing of its text."""
    error = error_of(await system.gateway({"messages": [calling("f", arguments)]}))
    assert (error.code, error.param) == ("invalid_request", "messages[0].tool_calls[0].function.arguments")
    assert error.message == "must be one JSON object, without equal keys and at most 64 levels deep"


async def test_only_a_tool_that_is_there_can_be_chosen(system):
    """The name is a text that the model's server gets."""
    choice = {"type": "function", "function": {"name": "darn it"}}
    for tools in ([], [tool("other")]):
        error = error_of(await system.gateway({"prompt": "x", "tools": tools, "tool_choice": choice}))
        assert (error.code, error.param) == ("invalid_request", "tool_choice.function.name")
    choice["function"]["name"] = "other"
    [said] = await system.gateway({"prompt": "x", "tools": [tool("other")], "tool_choice": choice})
    assert said.headers["Chat-Event"] == "accepted"


@pytest.mark.parametrize("text", ['\\"' * 500_000, '"' * 1_000_000, "\\" * 1_000_001, '\\u00"' * 200_000])
def test_a_megabyte_of_quotes_and_escapes_is_read_once(text):
    """No quote makes what follows be read again: that would be hours."""
    turn = ChatMessage(role="tool", tool_call_id="c", content=text)
    assert RequestTexts(ChatRequest(messages=[turn])).joined.parts[0] == text


def test_what_follows_the_system_messages_after_trimming_is_looked_at():
    """Each message of the user may stand right behind them if the older exchanges are left out."""
    turns = [("system", "Say da"), ("user", "One"), ("assistant", "1"), ("user", "rn"), ("assistant", "2")]
    request = ChatRequest(messages=[ChatMessage(role=role, content=text) for role, text in turns])
    behind = ("Say da", "rn", "2")
    assert behind not in [seam.parts for seam in RequestTexts(request).seams]
    found = [seam for seam in RequestTexts(request, trims=True).seams if seam.parts == behind]
    assert [seam.is_instruction for seam in found] == [True]


def texts_with_own(turns, own, **how):
    """Make a request's texts without the answers ``own``, which the client has received."""
    texts = RequestTexts(
        ChatRequest(messages=[ChatMessage(role=role, content=text) for role, text in turns]), **how
    )
    return texts.without(frozenset(answer for answer in texts.answers if answer.parts[0] in own))


@pytest.mark.parametrize(
    "turns",
    [
        [("assistant", "two"), ("user", "big"), ("user", "words")],
        [("assistant", "two"), ("assistant", ""), ("user", "big"), ("user", "words")],
    ],
)
def test_what_follows_an_own_answer_is_looked_at_together_with_its_end(turns):
    """Neither several messages nor an empty answer between hide what lies across them."""
    texts = texts_with_own(turns, {"two", ""})
    [behind] = [seam for seam in texts.seams if seam.follows_own]
    assert behind.whole.split() == ["two", "big", "words"]


def test_what_lies_across_two_own_answers_is_not_looked_for():
    """The model wrote both."""
    texts = texts_with_own([("assistant", "two"), ("assistant", "words"), ("user", "Yes")], {"two", "words"})
    [behind] = texts.seams
    assert behind.parts == ("two\nwords", "Yes")


def test_what_was_hidden_in_another_text_than_the_own_answer_is_looked_at():
    """Also if both are in one message."""
    call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": '{"x":"a\u200bb"}'}}
    turn = ChatMessage.model_validate({"role": "assistant", "content": "o\u200bwn", "tool_calls": [call]})
    texts = RequestTexts(ChatRequest(messages=[turn]), cleans=True)
    left = texts.without(frozenset(texts.answers[:1]))
    assert texts.answers[0].parts == ("o\u200bwn",)
    assert {text.parts for text in left.apart} == {("f", '{"x":"ab"}'), ("f", '{"x":"a\u200bb"}')}
