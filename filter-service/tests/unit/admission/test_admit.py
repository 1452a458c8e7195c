"""The use case over streams in memory: every outcome that ``docs/protocol.md`` lists for the filter."""

import json
from uuid import UUID

import pytest

from harness.filter.deciding import (
    ID,
    INBOX,
    NOW,
    SCANS,
    WORDS,
    Deciding,
    FakeScanners,
    calling,
    error_of,
    tool,
)
from stile_contracts import headers, ids
from stile_contracts.errors import ErrorCode
from stile_contracts.messages import OWNERS_END, Reply
from stile_filter.admission.envelope import MAX_DIRECT_MS
from stile_filter.errors import UnavailableError, UnconfirmedError
from stile_filter.guard.decide import Finding, State


async def test_an_allowed_request_is_stored_with_every_header(system):
    """CHAT gets the conversation and all that a worker needs; the requester hears «accepted»."""
    body = {
        "prompt": "Why?",
        "messages": [{"role": "user", "content": "Hi"}],
        "temperature": 0.5,
        "model": "m",
    }
    trace = "00-" + "a" * 32 + "-" + "b" * 16 + "-01"
    [said] = await system.gateway(body, Chat_Lane="batch", traceparent=trace)
    assert said.subject == INBOX
    assert said.headers == {"Chat-Id": ID, "Chat-Event": "accepted", "Chat-Attempt": "0", "Chat-Seq": "0"}
    assert json.loads(said.body) == {"id": ID, "position": 0}
    [(subject, stored)] = system.store.chat.items()
    assert subject == f"chat.approved.batch.http-127-0-0-1.{ID}.m"
    assert stored.headers == {
        "Chat-Id": ID,
        "Chat-Client": "http-127-0-0-1",
        "Chat-Lane": "batch",
        "Chat-Deadline": "1800000060000",
        "Chat-Events": "state",
        "Chat-Reply-To": INBOX,
        "Chat-Body-SHA256": ids.body_sha256(json.dumps(body).encode()),
        "Chat-Policy": system.policy.version,
        "traceparent": trace,
    }
    assert json.loads(stored.body) == {
        "messages": [{"role": "user", "content": "Hi"}, {"role": "user", "content": "Why?"}],
        "sampling": {"temperature": 0.5, "max_tokens": 1024},
        "output": {},
        "model": "m",
        "check_answer": True,
    }


@pytest.mark.parametrize(("asked", "given"), [(None, 100), (7, 7), (100, 100), (5000, 100)])
async def test_an_answer_has_an_end(policy_file, asked, given):
    """What a request does not limit, or limits too high, the policy limits."""
    system = Deciding(policy_file("answer_tokens: 100\n"))
    await system.gateway({"prompt": "hi"} | ({"max_tokens": asked} if asked else {}))
    [stored] = system.store.chat.values()
    assert json.loads(stored.body)["sampling"] == {"max_tokens": given}


async def test_without_events_nothing_is_said_but_the_answer(system):
    """A plain ``nats req`` takes the first message as the answer, so «accepted» would be taken for it."""
    assert await system.direct({"prompt": "hi"}) == []
    [stored] = system.store.chat.values()
    assert stored.headers["Chat-Events"] == "none"


async def test_who_is_answered_later_hears_that_it_is_accepted(system):
    """It outweighs ``Chat-Events``: no place is told after it, and the worker is told to say nothing."""
    await system.direct({"prompt": "first"})
    [said] = await system.direct({"prompt": "hi"}, Chat_Respond="later", Chat_Events="state")
    assert said.headers["Chat-Event"] == "accepted"
    (first, _), (subject, stored) = system.store.chat.items()
    assert json.loads(said.body) == {"id": subject.rsplit(".", maxsplit=1)[-1], "position": 1}
    assert stored.headers["Chat-Events"] == "accepted"
    system.queue.cancelled("alice", UUID(first.rsplit(".", maxsplit=1)[-1]))
    assert list(system.queue.messages()) == []


async def test_who_is_answered_later_hears_of_the_end_at_once(system):
    """A refusal, an error, an outcome that is there under the key: each is the one reply."""
    later = {"Chat_Respond": "later"}
    [refused] = await system.direct({"prompt": "darn"}, Chat_Key="k", **later)
    assert json.loads(refused.body)["refused"]
    assert error_of(await system.direct({"prompt": ""}, **later)).code is ErrorCode.INVALID_REQUEST
    [again] = await system.direct({"prompt": "darn"}, Chat_Key="k", **later)
    assert again.body == refused.body


async def test_what_is_answered_later_is_not_streamed(system):
    """The two contradict one another: an error names the field, and nothing is approved."""
    error = error_of(await system.direct({"prompt": "hi", "stream": True}, Chat_Respond="later"))
    assert (error.code, error.param) == (ErrorCode.INVALID_REQUEST, "stream")
    assert not system.store.chat


async def test_stream_asks_for_tokens(system):
    """``"stream": true`` outweighs the header."""
    [said] = await system.direct({"prompt": "hi", "stream": True}, Chat_Events="none")
    assert said.headers["Chat-Event"] == "accepted"
    [stored] = system.store.chat.values()
    assert stored.headers["Chat-Events"] == "token"


async def test_a_direct_client_is_its_account(system):
    """Client, id and deadline are the filter's to set, whatever the client's headers say."""
    await system.direct({"prompt": "hi"}, Chat_Id=ID, Chat_Client="bob", Chat_Deadline=str(10**15))
    [(subject, stored)] = system.store.chat.items()
    assert subject.startswith("chat.approved.interactive.alice.")
    assert stored.headers["Chat-Id"] != ID
    assert int(stored.headers["Chat-Deadline"]) == int(NOW * 1000) + MAX_DIRECT_MS


async def test_a_direct_clients_own_deadline_is_kept_where_it_is_sooner(system):
    """A client that waits a minute gets a minute."""
    await system.direct({"prompt": "hi"}, Chat_Deadline="1800000060000")
    [stored] = system.store.chat.values()
    assert stored.headers["Chat-Deadline"] == "1800000060000"


@pytest.mark.parametrize(
    ("body", "place"),
    [
        ({"prompt": "darn it"}, "prompt"),
        ({"prompt": "ok", "messages": [{"role": "assistant", "content": "Darn!"}]}, "messages[0]"),
        (
            {
                "prompt": "words",
                "messages": [{"role": "user", "content": "x"}, {"role": "user", "content": "two"}],
            },
            "joined",
        ),
        (
            {"messages": [{"role": "user", "content": "a"}, {"role": "user", "content": "darn"}]},
            "messages[1]",
        ),
        ({"prompt": "darn", "messages": [{"role": "user", "content": "darn"}]}, "prompt"),
        ({"messages": [calling("weather", '{"city": "darn"}')]}, "messages[0]"),
        ({"messages": [calling("weather", r'{"city": "d\u0061rn"}')]}, "messages[0]"),
        ({"messages": [calling("darn", "{}")], "prompt": "x"}, "messages[0]"),
        ({"messages": [{"role": "tool", "tool_call_id": "c1", "content": "darn"}]}, "messages[0]"),
        ({"prompt": "x", "tools": [tool("a"), tool("b", description="Darn.")]}, "tools[1]"),
        ({"prompt": "x", "tools": [tool("a", parameters={"two\nwords": {}})]}, "tools[0]"),
        (
            {
                "prompt": "x",
                "response_format": {"type": "json_schema", "json_schema": {"schema": {"enum": ["darn"]}}},
            },
            "response_format",
        ),
    ],
)
async def test_a_refusal_is_stored_and_replied(system, body, place):
    """Whatever message holds the phrase, the reply says where, and CHAT gets nothing."""
    [said] = await system.gateway({**body, "refusal_message": "Not here."})
    assert said.headers["Chat-Event"] == "done"
    assert said.headers["Chat-Seq"] == "0"
    reply = Reply.model_validate_json(said.body)
    assert (reply.response, reply.refused, str(reply.id)) == ("Not here.", True, ID)
    assert (reply.refusal.category, reply.refusal.place) == ("rudeness", place)
    assert b"darn" not in said.body
    assert system.store.chat == {}
    stored = system.store.results[f"chat.result.http-127-0-0-1.{ID}"]
    assert stored.body == said.body
    assert headers.CHAT_BODY_SHA256 in stored.headers
    assert system.outcomes == ["refused"]


async def test_the_end_of_a_stream_has_no_headers(system):
    """After the final event, whoever asked for tokens gets the empty message of ADR-47."""
    for body in ({"prompt": "darn", "stream": True}, {"prompt": 1, "stream": True}):
        said = await system.gateway(body, Chat_Events="token")
        assert len(said) == 2
        assert (said[1].subject, said[1].body, said[1].headers) == (INBOX, b"", None)


async def test_the_policys_texts_refuse_where_the_client_has_none(policy_file):
    """First the category's text, then the default."""
    system = Deciding(policy_file(WORDS + "refusals: {default: No., categories: {rudeness: Be kind.}}\n"))
    [said] = await system.gateway({"prompt": "darn"})
    assert json.loads(said.body)["response"] == "Be kind."


async def test_a_watched_phrase_is_told_and_let_through(system):
    """``monitor`` counts and lets pass."""
    [said] = await system.gateway({"prompt": "heck"})
    assert said.headers["Chat-Event"] == "accepted"
    assert [(rule.id, state) for rule, _, state in system.monitored] == [("watched", State.REFUSE)]


async def test_tools_and_format_are_handed_on(system):
    """What was scanned of the answer's form is what the worker gets, nulls in schemas included."""
    output = {
        "tools": [tool("weather", parameters={"properties": {"b": {"default": None}, "a": {}}})],
        "tool_choice": "required",
        "response_format": {
            "type": "json_schema",
            "json_schema": {"name": "n", "schema": {"type": "object"}},
        },
        "logprobs": True,
    }
    called = calling("weather", "{}", "call00000")
    turns = [called, {"role": "tool", "tool_call_id": "call00000", "content": "Rain."}]
    await system.gateway({"messages": turns, **output})
    [stored] = system.store.chat.values()
    approved = json.loads(stored.body)
    assert (approved["messages"], approved["output"]) == (turns, output)


async def test_the_system_prompt_comes_first(policy_file):
    """Clients can put nothing before it, not with a system message of their own either."""
    system = Deciding(policy_file("system_prompt: Be kind.\n"))
    await system.gateway({"messages": [{"role": "system", "content": "Be rude."}], "prompt": "hi"})
    [stored] = system.store.chat.values()
    first, last = json.loads(stored.body)["messages"]
    assert first == {"role": "system", "content": f"Be kind.{OWNERS_END}Be rude."}
    assert last["content"] == "hi"


@pytest.mark.parametrize("prompt", ["hi", "darn"])
async def test_what_may_be_stored_is_not_spoken_of(system, prompt):
    """Without a confirmation nothing is said; the requester repeats."""
    system.store.fails = UnconfirmedError()
    assert await system.gateway({"prompt": prompt}, Chat_Events="token") == []
    assert system.outcomes == ["unconfirmed"]


async def test_what_is_surely_not_stored_is_told(system):
    """A bus that says no is an error of the moment."""
    system.store.fails = UnavailableError("no")
    assert error_of(await system.gateway({"prompt": "hi"})).code is ErrorCode.BUS_UNAVAILABLE


async def test_a_failure_of_the_filters_own_approves_nothing(system):
    """An unforeseen exception is answered as ``internal``, without its text."""
    system.store.fails = RuntimeError("a secret")
    said = await system.gateway({"prompt": "hi"})
    assert error_of(said).code is ErrorCode.INTERNAL
    assert b"secret" not in said[0].body


@pytest.mark.parametrize(
    ("scanners", "code"),
    [
        (FakeScanners(Finding("Word", 0, State.ERROR)), ErrorCode.FILTER_ERROR),
        (FakeScanners(Finding("Word", 0, State.TIMEOUT)), ErrorCode.FILTER_TIMEOUT),
        (FakeScanners(failure=State.TIMEOUT), ErrorCode.FILTER_TIMEOUT),
        (FakeScanners(failure=State.ERROR), ErrorCode.FILTER_ERROR),
        (FakeScanners(Finding("Watch", 0, State.REFUSE), failure=State.ERROR), ErrorCode.FILTER_ERROR),
    ],
)
async def test_a_scan_that_fails_is_no_pass(policy_file, scanners, code):
    """The filter fails closed, with an error of the moment that is not stored."""
    system = Deciding(policy_file(SCANS), scanners)
    error = error_of(await system.gateway({"prompt": "hi"}))
    assert (error.code, error.final) == (code, False)
    assert system.store.chat == system.store.results == {}


async def test_a_text_that_takes_too_long_is_a_final_error(policy_file):
    """The same text would take too long again, so nobody is told to try again."""
    system = Deciding(policy_file(SCANS), FakeScanners(failure=State.TOO_SLOW))
    error = error_of(await system.gateway({"prompt": "hi"}))
    assert (error.code, error.final) == (ErrorCode.TOO_LARGE, True)
    assert "try again" not in error.message
    assert system.store.chat == system.store.results == {}


async def test_what_no_worker_would_believe_is_not_approved(system):
    """An error of the moment, and nothing stored; what CHAT holds already was approved and is accepted."""
    await system.gateway({"prompt": "hi"})
    before = dict(system.store.chat)
    system.signature_fault = "nobody knows the key"
    error = error_of(await system.gateway({"prompt": "ho"}, Chat_Id=ID[:-1] + "2"))
    assert (error.code, error.final) == (ErrorCode.FILTER_ERROR, False)
    [said] = await system.gateway({"prompt": "hi"})
    assert said.headers["Chat-Event"] == "accepted"
    assert (system.store.chat, system.store.results) == (before, {})


async def test_a_refusal_outweighs_another_scanners_failure(policy_file):
    """Where one rule refuses, another one's error changes nothing."""
    found = Finding("Word", 1, State.REFUSE)
    system = Deciding(policy_file(SCANS), FakeScanners(Finding("Word", 0, State.ERROR), found))
    [said] = await system.gateway({"prompt": "b", "messages": [{"role": "user", "content": "a"}]})
    assert Reply.model_validate_json(said.body).refusal.place == "messages[0]"


@pytest.mark.parametrize("state", [State.REFUSE, State.ERROR])
async def test_a_watched_scanner_only_tells(policy_file, state):
    """A ``monitor`` scanner's finding and its error are told, and the request goes on."""
    system = Deciding(policy_file(SCANS), FakeScanners(Finding("Watch", 0, state)))
    [said] = await system.gateway({"prompt": "hi"})
    assert said.headers["Chat-Event"] == "accepted"
    assert [seen[2] for seen in system.monitored] == [state]


async def test_scanners_see_every_text_once(policy_file):
    """The prompt, each message and the seams; nothing twice; and nothing that keywords refuse."""
    system = Deciding(policy_file(SCANS))
    turns = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]
    await system.gateway({"prompt": "c", "messages": [*turns, turns[0]]})
    await system.gateway(
        {"prompt": "c", "messages": [{"role": "user", "content": "c"}]}, Chat_Id=ID[:-1] + "2"
    )
    await system.gateway({"prompt": "darn"}, Chat_Id=ID[:-1] + "3")
    assert system.scanners.asked == [["c", "a", "b", "a\nb\na\nc", "a\na\nc"]]
