"""Stile's answers in OpenAI's shapes: pure, without a bus."""

import json

import pytest

from harness.parts.answers import CALL, ID, USAGE, done, reply, started, token
from stile_contracts.errors import ErrorCode
from stile_contracts.messages import (
    ErrorReply,
    Refusal,
    Timings,
    ToolCall,
)
from stile_gateway.dialects.faults import foreign_status
from stile_gateway.dialects.openai.answer import completion
from stile_gateway.dialects.openai.errors import openai_error
from stile_gateway.dialects.openai.stream import Chunks
from stile_gateway.errors import InternalError, RelayedError


def stream(*said, include_usage=False):
    """Return the data of every event, in order; ``[DONE]`` as it is."""
    chunks = Chunks(ID, 1700000000, "asked", include_usage=include_usage)
    blocks = b"".join(chunks.event(one) for one in said).decode().split("\n\n")
    data = [block.removeprefix("data: ") for block in blocks if block and not block.startswith(":")]
    return [one if one == "[DONE]" else json.loads(one) for one in data]


def text_of(chunks):
    return "".join(
        choice["delta"].get("content") or "" for chunk in chunks[:-1] for choice in chunk["choices"]
    )


def test_a_whole_answer():
    """Every field that OpenAI's schema has is there, null where Stile has nothing to say."""
    assert completion(reply(), 1700000000, "asked") == {
        "id": f"chatcmpl-{ID}",
        "object": "chat.completion",
        "created": 1700000000,
        "model": "smol",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": "blue sky", "refusal": None},
                "logprobs": None,
                "finish_reason": "stop",
            }
        ],
        "usage": USAGE.model_dump(),
    }


def test_a_refusal_is_an_answer_that_was_filtered():
    """Its category and place stand in an extension field, its text is the message."""
    refused = reply(
        "No.",
        refused=True,
        finish_reason="content_filter",
        model=None,
        usage=None,
        refusal=Refusal(category="profanity", place="tools[0]"),
    )
    whole = completion(refused, 0, "asked")
    assert whole["stile"] == {"refused": True, "category": "profanity", "place": "tools[0]"}
    assert whole["choices"][0]["finish_reason"] == "content_filter"
    assert whole["choices"][0]["message"]["content"] == "No."
    assert whole["model"] == "asked"
    role, words, end, last = stream(done(refused, 0))
    assert role["choices"][0]["delta"] == {"role": "assistant", "content": "", "refusal": None}
    assert words["choices"][0]["delta"] == {"content": "No."}
    assert (end["choices"][0]["finish_reason"], end["stile"]) == ("content_filter", whole["stile"])
    assert last == "[DONE]"


def test_calls_logprobs_and_timings_are_told():
    """A call without words has no content; llama.cpp's speeds are an extension."""
    answer = reply(
        "",
        finish_reason="tool_calls",
        tool_calls=[ToolCall.model_validate(CALL)],
        logprobs={"content": [{"token": "x"}]},
        timings=Timings(predicted_per_second=20.0),
    )
    whole = completion(answer, 0, None)
    [choice] = whole["choices"]
    assert choice["message"] == {"role": "assistant", "content": None, "refusal": None, "tool_calls": [CALL]}
    assert choice["logprobs"] == {"content": [{"token": "x"}], "refusal": None}
    assert choice["finish_reason"] == "tool_calls"
    assert whole["timings"] == {"predicted_per_second": 20.0}


def test_a_stream():
    """One id and one time; the role first, the pieces, the reason, the counts without choices, the end."""
    chunks = stream(started(), token("blue"), token(" sky"), done(reply()), include_usage=True)
    assert chunks[-1] == "[DONE]"
    assert {(chunk["id"], chunk["created"], chunk["model"], chunk["object"]) for chunk in chunks[:-1]} == {
        (f"chatcmpl-{ID}", 1700000000, "smol", "chat.completion.chunk")
    }
    role, blue, sky, end, usage = chunks[:-1]
    assert role["choices"][0]["delta"]["role"] == "assistant"
    assert [piece["choices"][0]["delta"] for piece in (blue, sky)] == [
        {"content": "blue"},
        {"content": " sky"},
    ]
    assert (end["choices"][0]["delta"], end["choices"][0]["finish_reason"]) == ({}, "stop")
    assert (usage["choices"], usage["usage"]) == ([], USAGE.model_dump())
    assert all(chunk["usage"] is None for chunk in chunks[:-2])


def test_without_being_asked_for_the_counts_are_not_streamed():
    """No chunk speaks of usage then."""
    assert not any("usage" in chunk for chunk in stream(started(), done(reply()))[:-1])


def test_call_deltas_are_passed_on_once():
    """What was streamed is not told again at the end."""
    first = {**CALL, "index": 0, "function": {"name": "weather", "arguments": '{"a"'}}
    more = {"index": 0, "function": {"arguments": ":1}"}}
    answer = reply("", finish_reason="tool_calls", tool_calls=[ToolCall.model_validate(CALL)])
    chunks = stream(started(), token(tool_calls=[first]), token(tool_calls=[more]), done(answer))
    deltas = [chunk["choices"][0]["delta"] for chunk in chunks[1:-1]]
    assert deltas == [{"tool_calls": [first]}, {"tool_calls": [more]}, {}]
    # With the second delta lost, the end brings the rest of the arguments.
    chunks = stream(started(), token(tool_calls=[first]), done(answer))
    assert chunks[2]["choices"][0]["delta"] == {"tool_calls": [more]}


def test_another_call_than_was_begun_is_an_error():
    """A second attempt names its calls anew; two are not made one."""
    first = {**CALL, "index": 0, "id": "other"}
    answer = reply("", finish_reason="tool_calls", tool_calls=[ToolCall.model_validate(CALL)])
    with pytest.raises(InternalError):
        stream(
            started(),
            token(tool_calls=[first]),
            started(2),
            token(tool_calls=[first], attempt=2),
            done(answer, 2),
        )


def test_logprobs_are_told_once():
    """Each piece brings its own; what a gap took comes at the end."""
    logprobs = [{"token": "blue"}, {"token": " sky"}]
    answer = reply(logprobs={"content": logprobs})
    chunks = stream(
        started(),
        token("blue", logprobs={"content": logprobs[:1]}),
        done(answer),
    )
    told = [chunk["choices"][0]["logprobs"] for chunk in chunks[:-1]]
    assert [one["content"] for one in told if one] == [logprobs[:1], logprobs[1:]]
    assert text_of(chunks) == "blue sky"


def test_what_a_gap_took_comes_from_the_end():
    """What was not told in pieces is told when the whole text is known."""
    chunks = stream(started(), token("blue"), done(reply("blue sky")))
    assert text_of(chunks) == "blue sky"
    assert [chunk["choices"][0]["delta"] for chunk in chunks[1:3]] == [
        {"content": "blue"},
        {"content": " sky"},
    ]


def test_a_second_attempt_goes_on_where_the_first_stood():
    """The same seed writes the same words: what was sent is not sent again, and there is one role."""
    chunks = stream(
        started(),
        token("bl"),
        token("ue"),
        started(2),
        token("blu", attempt=2),
        token("e s", attempt=2),
        token("ky", attempt=2),
        done(reply(), 2),
    )
    assert text_of(chunks) == "blue sky"
    assert [chunk["choices"][0]["delta"] for chunk in chunks[3:5]] == [{"content": " s"}, {"content": "ky"}]
    assert sum("role" in chunk["choices"][0]["delta"] for chunk in chunks[:-1]) == 1


def test_another_text_is_never_spliced():
    """An answer that differs from what was sent ends the stream with an error, whenever it is seen."""
    with pytest.raises(InternalError):
        stream(started(), token("blue"), started(2), token("red", attempt=2))
    with pytest.raises(InternalError):
        stream(started(), token("blue"), done(reply("red")))


def test_an_attempt_that_nothing_was_sent_of_is_forgotten():
    """The next one streams as if it were the first."""
    chunks = stream(started(), started(2), token("red", attempt=2), done(reply("red"), 2))
    assert text_of(chunks) == "red"


@pytest.mark.parametrize("code", ErrorCode)
def test_every_error_has_openais_shape(code):
    """Four fields, each a string or null; the code is Stile's own."""
    error = RelayedError(ErrorReply.of(code, "So it is.", param=None))
    assert set(openai_error(error)) == {"error"}
    body = openai_error(error)["error"]
    assert set(body) == {"message", "type", "param", "code"}
    assert (body["message"], body["code"], body["param"]) == ("So it is.", code.value, None)
    assert body["type"] in {"invalid_request_error", "rate_limit_error", "server_error"}


def thoughts_of(chunks):
    choices = [choice for chunk in chunks[:-1] for choice in chunk["choices"]]
    return "".join(choice["delta"].get("reasoning_content") or "" for choice in choices)


def test_thoughts_are_told_apart_from_the_answer():
    """Whole, streamed, and what a gap has lost of them; a stream of thoughts alone ends with its limit."""
    thought = reply("blue", reasoning_content="Why not?")
    assert completion(thought, 0, None)["choices"][0]["message"]["reasoning_content"] == "Why not?"
    for lost in ("Why not?", "Why ", None):
        said = [started(), *([token(reasoning_content=lost)] if lost else []), token("bl"), done(thought)]
        chunks = stream(*said)
        assert (thoughts_of(chunks), text_of(chunks)) == ("Why not?", "blue")
    endless = reply("", reasoning_content="Why ", finish_reason="length")
    chunks = stream(started(), token(reasoning_content="Why "), done(endless))
    assert (thoughts_of(chunks), text_of(chunks)) == ("Why ", "")
    assert chunks[-2]["choices"][0]["finish_reason"] == "length"


def test_thoughts_of_another_attempt():
    """The same thoughts go on; other ones are another answer."""
    same = stream(
        started(), token(reasoning_content="Why"), started(2), done(reply("b", reasoning_content="Why?"), 2)
    )
    assert (thoughts_of(same), text_of(same)) == ("Why?", "b")
    with pytest.raises(InternalError):
        stream(
            started(), token(reasoning_content="Why"), started(2), done(reply("b", reasoning_content="So"), 2)
        )


def test_too_long_a_conversation_has_its_numbers():
    """A text over the policy's limit is too long as well."""
    told = ErrorReply.of(ErrorCode.CONTEXT_LENGTH_EXCEEDED, "maximum context length is 9 tokens")
    body = told.error.model_copy(update={"n_ctx": 9, "n_prompt_tokens": 12})
    error = openai_error(RelayedError(ErrorReply(error=body)))["error"]
    assert (error["n_ctx"], error["n_prompt_tokens"]) == (9, 12)
    large = RelayedError(ErrorReply.of(ErrorCode.TOO_LARGE, "x", param="messages[0].content"))
    error = openai_error(large)["error"]
    assert (error["code"], foreign_status(large)) == ("context_length_exceeded", 400)
    assert "maximum context length" in error["message"]
    body = RelayedError(ErrorReply.of(ErrorCode.TOO_LARGE, "x", param="body"))
    assert (openai_error(body)["error"]["code"], foreign_status(body)) == ("too_large", 413)
