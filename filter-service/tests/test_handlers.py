"""The use case over streams in memory: every outcome that ``docs/protocol.md`` lists for the filter."""

import asyncio
import json
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.wait import until
from stile_contracts import headers, ids
from stile_contracts.errors import ERRORS, ErrorCode
from stile_contracts.messages import ErrorReply, Heartbeat, Reply, Stage
from stile_filter.answers import Stored
from stile_filter.decide import Decider, Finding, Scanned, State
from stile_filter.errors import UnavailableError, UnconfirmedError
from stile_filter.handlers import Handler
from stile_filter.models import Models
from stile_filter.policy import Policy
from stile_filter.ports import Approval
from stile_filter.request import MAX_DIRECT_MS, Incoming
from stile_filter.signing import Unsigned
from stile_filter.usher import Usher
from stile_filter.workers import Workers

NOW = 1_800_000_000.0
ID = "0190a5d0-0000-7000-8000-000000000001"
GATEWAY = {
    "Chat-Id": ID,
    "Chat-Client": "http-127-0-0-1",
    "Chat-Deadline": "1800000060000",
    "Chat-Events": "state",
}
INBOX = "_INBOX_gateway.abc.1"
DIRECT_INBOX = "_R_.abc.def"
WORDS = """
keywords:
- {id: rude, category: rudeness, phrases: [darn, two words]}
- {id: watched, category: mild, action: monitor, phrases: [heck]}
"""
SCANS = WORDS + "input_scanners:\n- {type: 'x:Word'}\n- {type: 'x:Watch', action: monitor}\n"


class FakeStreams:
    """CHAT and CHAT_RESULT in memory, with their limits."""

    def __init__(self, room=1000):
        self.room, self.chat, self.results, self.fails = room, {}, {}, None

    async def approve(self, subject, body, message_headers):
        if self.fails:
            raise self.fails
        if subject in self.chat:
            return Approval.TAKEN
        if len(self.chat) >= self.room:
            return Approval.FULL
        self.chat[subject] = Stored(message_headers, body)
        return Approval.STORED

    async def waiting(self, client, chat_id):
        for subject, held in self.chat.items():
            if f".{client}.{chat_id}." in f"{subject}.":
                return Stored({**held.headers, "Nats-Subject": subject}, held.body)
        return None

    async def outcome(self, subject):
        return self.results.get(subject)

    async def settle(self, subject, body, message_headers):
        if self.fails:
            raise self.fails
        if subject in self.results:
            return False
        self.results[subject] = Stored(message_headers, body)
        return True


class FakeScanners:
    """Says what it is told to, and remembers what it was asked."""

    def __init__(self, *findings, failure=None):
        self.says, self.asked = Scanned(findings, failure), []
        self.gate = asyncio.Event()
        self.gate.set()

    async def scan(self, texts):
        self.asked.append(list(texts))
        await self.gate.wait()
        return self.says


class System:
    """A handler with everything around it in memory."""

    def __init__(self, file, scanners=None, streams=None, signer=None):
        self.policy = Policy(file)
        self.streams = streams or FakeStreams()
        self.scanners = scanners or FakeScanners()
        self.outcomes, self.monitored = [], []
        decider = Decider(self.policy, self.scanners, lambda *seen: self.monitored.append(seen))
        self.now = NOW
        self.doubt = None
        self.workers = Workers()
        self.monotonic = 0.0
        self.models = Models(clock=lambda: self.monotonic)
        self.monotonic = 60.0
        self.usher = Usher(self.workers, self.policy.limits.max_waiting_per_client, self)
        self.handler = Handler(
            self.policy,
            decider,
            self.streams,
            queue=self.usher,
            models=self.models,
            signer=signer or Unsigned(),
            doubt=lambda: self.doubt,
            observer=self,
            now=lambda: self.now,
        )

    def ended(self, outcome, seconds):
        assert seconds >= 0
        self.outcomes.append(outcome)

    def worker(self, seconds):
        beat = Heartbeat(part="consumer", instance="w", version="1", ready=True, service_seconds=seconds)
        self.workers.heard(beat)

    def lives(self, *names):
        """Have workers with these models be heard of, a while ago."""
        for name in names:
            self.models.heard(Heartbeat(part="consumer", instance=name, version="1", ready=True, model=name))
        self.monotonic += 60

    def estimated(self, _):
        raise AssertionError("nothing is begun here")

    async def gateway(self, body, reply_to=INBOX, **changed):
        message_headers = {**GATEWAY, **{name.replace("_", "-"): value for name, value in changed.items()}}
        given = {name: value for name, value in message_headers.items() if value is not None}
        return await self._ask("chat.request.gateway", reply_to, given, body)

    async def direct(self, body, reply_to=DIRECT_INBOX, origin="alice", **given):
        message_headers = {name.replace("_", "-"): value for name, value in given.items()}
        return await self._ask(f"chat.request.{origin}", reply_to, message_headers, body)

    async def _ask(self, subject, reply_to, message_headers, body):
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        return await self.handler.handle(Incoming(subject, reply_to, message_headers, raw))


@pytest.fixture
def system(policy_file):
    """A system with the keyword layer alone."""
    return System(policy_file(WORDS))


def calling(name, arguments):
    """Make the turn of an assistant that calls a tool."""
    call = {"id": "c1", "type": "function", "function": {"name": name, "arguments": arguments}}
    return {"role": "assistant", "tool_calls": [call]}


def tool(name, **fields):
    """Define a tool."""
    return {"type": "function", "function": {"name": name, **fields}}


def error_of(messages):
    assert messages[0].headers["Chat-Event"] == "error"
    error = ErrorReply.model_validate_json(messages[0].body).error
    assert messages[0].headers["Nats-Service-Error-Code"] == str(ERRORS[error.code].status)
    assert messages[0].headers["Nats-Service-Error"] == error.code
    assert error.final is ERRORS[error.code].final
    return error


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
    [(subject, stored)] = system.streams.chat.items()
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
    }


@pytest.mark.parametrize(("asked", "given"), [(None, 100), (7, 7), (100, 100), (5000, 100)])
async def test_an_answer_has_an_end(policy_file, asked, given):
    """What a request does not limit, or limits too high, the policy limits."""
    system = System(policy_file("answer_tokens: 100\n"))
    await system.gateway({"prompt": "hi"} | ({"max_tokens": asked} if asked else {}))
    [stored] = system.streams.chat.values()
    assert json.loads(stored.body)["sampling"] == {"max_tokens": given}


async def test_without_events_nothing_is_said_but_the_answer(system):
    """A plain ``nats req`` takes the first message as the answer, so «accepted» would be taken for it."""
    assert await system.direct({"prompt": "hi"}) == []
    [stored] = system.streams.chat.values()
    assert stored.headers["Chat-Events"] == "none"


async def test_who_is_answered_later_hears_that_it_is_accepted(system):
    """It outweighs ``Chat-Events``: no place is told after it, and the worker is told to say nothing."""
    await system.direct({"prompt": "first"})
    [said] = await system.direct({"prompt": "hi"}, Chat_Respond="later", Chat_Events="state")
    assert said.headers["Chat-Event"] == "accepted"
    (first, _), (subject, stored) = system.streams.chat.items()
    assert json.loads(said.body) == {"id": subject.rsplit(".", maxsplit=1)[-1], "position": 1}
    assert stored.headers["Chat-Events"] == "accepted"
    system.usher.cancelled("alice", UUID(first.rsplit(".", maxsplit=1)[-1]))
    assert list(system.usher.messages()) == []


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
    assert not system.streams.chat


async def test_stream_asks_for_tokens(system):
    """``"stream": true`` outweighs the header."""
    [said] = await system.direct({"prompt": "hi", "stream": True}, Chat_Events="none")
    assert said.headers["Chat-Event"] == "accepted"
    [stored] = system.streams.chat.values()
    assert stored.headers["Chat-Events"] == "token"


async def test_a_direct_client_is_its_account(system):
    """Client, id and deadline are the filter's to set, whatever the client's headers say."""
    await system.direct({"prompt": "hi"}, Chat_Id=ID, Chat_Client="bob", Chat_Deadline=str(10**15))
    [(subject, stored)] = system.streams.chat.items()
    assert subject.startswith("chat.approved.interactive.alice.")
    assert stored.headers["Chat-Id"] != ID
    assert int(stored.headers["Chat-Deadline"]) == int(NOW * 1000) + MAX_DIRECT_MS


async def test_a_direct_clients_own_deadline_is_kept_where_it_is_sooner(system):
    """A client that waits a minute gets a minute."""
    await system.direct({"prompt": "hi"}, Chat_Deadline="1800000060000")
    [stored] = system.streams.chat.values()
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
    assert system.streams.chat == {}
    stored = system.streams.results[f"chat.result.http-127-0-0-1.{ID}"]
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
    system = System(policy_file(WORDS + "refusals: {default: No., categories: {rudeness: Be kind.}}\n"))
    [said] = await system.gateway({"prompt": "darn"})
    assert json.loads(said.body)["response"] == "Be kind."


async def test_a_watched_phrase_is_told_and_let_through(system):
    """``monitor`` counts and lets pass."""
    [said] = await system.gateway({"prompt": "heck"})
    assert said.headers["Chat-Event"] == "accepted"
    assert [(rule.id, state) for rule, _, state in system.monitored] == [("watched", State.REFUSE)]


@pytest.mark.parametrize(
    "reply_to",
    ["", "chat.approved.interactive.x.y", "_INBOX_filter.x", "_R_.*", "_R_.>", "_INBOX_gateway", "x" * 300],
)
async def test_a_reply_subject_elsewhere_is_answered_with_silence(system, reply_to):
    """The place to answer is the attack, so nothing is said and nothing is stored."""
    assert await system.gateway({"prompt": "darn"}, reply_to=reply_to) == []
    assert system.streams.chat == system.streams.results == {}
    assert system.outcomes == ["dropped"]


@pytest.mark.parametrize(
    ("changed", "param"),
    [
        ({"Chat_Id": None}, "Chat-Id"),
        ({"Chat_Id": "nonsense"}, "Chat-Id"),
        ({"Chat_Id": ID.upper()}, "Chat-Id"),
        ({"Chat_Id": ID.replace("-", "")}, "Chat-Id"),
        ({"Chat_Client": None}, "Chat-Client"),
        ({"Chat_Client": "alice"}, "Chat-Client"),
        ({"Chat_Client": "http-a.b"}, "Chat-Client"),
        ({"Chat_Lane": "fast"}, "Chat-Lane"),
        ({"Chat_Lane": ""}, "Chat-Lane"),
        ({"Chat_Events": "everything"}, "Chat-Events"),
        ({"Chat_Respond": "sooner"}, "Chat-Respond"),
        ({"Chat_Respond": ""}, "Chat-Respond"),
        ({"Chat_Deadline": None}, "Chat-Deadline"),
        ({"Chat_Deadline": "soon"}, "Chat-Deadline"),
        ({"Chat_Deadline": "-1"}, "Chat-Deadline"),
        ({"Chat_Deadline": "٣"}, "Chat-Deadline"),
        ({"Chat_Key": ""}, "Chat-Key"),
        ({"Chat_Key": "x" * 201}, "Chat-Key"),
        ({"Chat_Key": "two words"}, "Chat-Key"),
    ],
)
async def test_a_wrong_header_is_named(system, changed, param):
    """Each header that can't be read is an ``invalid_header`` that says which."""
    error = error_of(await system.gateway({"prompt": "hi"}, **changed))
    assert (error.code, error.param) == (ErrorCode.INVALID_HEADER, param)
    assert system.streams.results == {}


async def test_an_account_can_not_pass_for_an_http_client(system):
    """An account whose name begins with ``http-`` is turned away."""
    error = error_of(await system.direct({"prompt": "hi"}, origin="http-1"))
    assert error.code is ErrorCode.INVALID_HEADER


@pytest.mark.parametrize(
    ("body", "param"),
    [
        (b"", None),
        (b"\xff\xfe", None),
        (b'{"prompt": "\xff"}', None),
        (b'{"prompt": "\\ud800"}', None),
        (b"[" * 100_000, None),
        (b'{"messages":' * 10_000, None),
        (b"[]", None),
        (b'{"prompt": 1}', "prompt"),
        (b'{"prompt": ""}', "prompt"),
        (b"{}", None),
        (b'{"messages": [{"role": "wizard", "content": "x"}]}', "messages[0].role"),
        (b'{"messages": [{"role": "user"}]}', "messages[0]"),
        (b'{"prompt": "x", "temperature": "NaN"}', "temperature"),
        (b'{"prompt": "x", "temperature": NaN}', "temperature"),
        (b'{"messages": [{"role": "system", "content": "x"}]}', "messages[0].role"),
    ],
)
async def test_a_wrong_body_is_named(system, body, param):
    """Whatever bytes come, the answer is ``invalid_request`` with the field, and nothing of the text."""
    error = error_of(await system.gateway(body))
    assert (error.code, error.param, str(error.id)) == (ErrorCode.INVALID_REQUEST, param, ID)


@given(st.binary(max_size=200))
def test_no_bytes_break_the_filter(body):
    """Whatever comes, there is an answer or an approval, never an exception or ``internal``."""

    async def run(file):
        system = System(file)
        await system.gateway(body)
        assert system.outcomes[0] in {"accepted", ErrorCode.INVALID_REQUEST}

    from pathlib import Path  # noqa: PLC0415
    from tempfile import TemporaryDirectory  # noqa: PLC0415

    with TemporaryDirectory() as folder:
        file = Path(folder) / "policy.yml"
        file.write_text("")
        asyncio.run(run(file))


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"prompt": "123456"}, "prompt"),
        ({"messages": [{"role": "user", "content": "1234567"}]}, "messages[0].content"),
        ({"messages": [{"role": "user", "content": "1"}] * 3}, "messages"),
        ({"messages": [calling("123", "4567")]}, "messages[0].tool_calls"),
        ({"prompt": "1", "tools": [tool("a")]}, "tools[0]"),
        ({"prompt": "1", "response_format": {"type": "text"}}, "response_format"),
    ],
)
async def test_beyond_the_limits_is_an_error(policy_file, body, param):
    """Nothing is cut: what is too long is told, with the field."""
    system = System(policy_file("limits: {prompt_chars: 5, message_chars: 6, messages: 2}\n"))
    error = error_of(await system.gateway(body))
    assert (error.code, error.param) == (ErrorCode.TOO_LARGE, param)


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
    turns = [calling("weather", "{}"), {"role": "tool", "tool_call_id": "c1", "content": "Rain."}]
    await system.gateway({"messages": turns, **output})
    [stored] = system.streams.chat.values()
    approved = json.loads(stored.body)
    assert (approved["messages"], approved["output"]) == (turns, output)


async def test_the_system_prompt_comes_first(policy_file):
    """Clients can put nothing before it, not with a system message of their own either."""
    system = System(policy_file("system_prompt: Be kind.\nallow_system: true\n"))
    await system.gateway({"messages": [{"role": "system", "content": "Be rude."}], "prompt": "hi"})
    [stored] = system.streams.chat.values()
    assert [turn["content"] for turn in json.loads(stored.body)["messages"]] == ["Be kind.", "Be rude.", "hi"]


async def test_a_repeat_from_the_gateway_is_accepted_again(system):
    """While the first waits, a repeat is told so, and CHAT holds one message."""
    await system.gateway({"prompt": "hi"})
    [said] = await system.gateway({"prompt": "hi"})
    assert said.headers["Chat-Event"] == "accepted"
    assert len(system.streams.chat) == 1


async def test_another_body_under_the_same_id_is_a_conflict(system):
    """The stored message's digest tells a repeat from another request."""
    await system.gateway({"prompt": "hi"})
    assert error_of(await system.gateway({"prompt": "ho"})).code is ErrorCode.KEY_CONFLICT


async def test_a_direct_repeat_is_in_progress(system):
    """Under its key a direct client's second request hears that the first one runs."""
    await system.direct({"prompt": "hi"}, Chat_Key="k")
    error = error_of(await system.direct({"prompt": "hi"}, f"{DIRECT_INBOX}2", Chat_Key="k"))
    assert error.code is ErrorCode.IN_PROGRESS
    assert str(error.id) == str(ids.keyed_id("alice", "k"))


async def test_a_repeat_that_is_answered_later_is_accepted(system):
    """Whoever lost its `accepted` gets it again; the first one goes on hearing of its place."""
    await system.direct({"prompt": "first"})
    await system.direct({"prompt": "hi"}, Chat_Key="k", Chat_Events="state")
    [said] = await system.direct({"prompt": "hi"}, f"{DIRECT_INBOX}2", Chat_Key="k", Chat_Respond="later")
    assert (said.subject, said.headers["Chat-Event"]) == (f"{DIRECT_INBOX}2", "accepted")
    assert json.loads(said.body)["position"] == 1
    first, second = system.streams.chat
    assert second.endswith(said.headers["Chat-Id"])
    system.usher.cancelled("alice", UUID(first.rsplit(".", maxsplit=1)[-1]))
    [moved] = system.usher.messages()
    assert (moved.subject, json.loads(moved.body)["position"]) == (DIRECT_INBOX, 0)


async def test_what_was_stored_and_not_confirmed_is_no_repeat(system):
    """Published again after a lost confirmation, a direct client's request meets itself: it is accepted."""
    await system.direct({"prompt": "hi"}, Chat_Key="k", Chat_Events="state")
    [said] = await system.direct({"prompt": "hi"}, Chat_Key="k", Chat_Events="state")
    assert said.headers["Chat-Event"] == "accepted"


async def test_a_key_has_one_place_in_all_lanes(system):
    """The same key in another lane is the same request: it runs once."""
    await system.direct({"prompt": "hi"}, Chat_Key="k")
    again = await system.direct({"prompt": "hi"}, f"{DIRECT_INBOX}2", Chat_Key="k", Chat_Lane="batch")
    error = error_of(again)
    assert error.code is ErrorCode.IN_PROGRESS
    assert len(system.streams.chat) == 1


async def test_a_key_finds_its_outcome(system):
    """A repeat under a key gets what is stored, byte for byte; another body under it is a conflict."""
    [first] = await system.direct({"prompt": "darn"}, Chat_Key="k")
    [again] = await system.direct({"prompt": "darn"}, Chat_Key="k")
    assert (again.body, again.headers["Chat-Event"]) == (first.body, "done")
    assert error_of(await system.direct({"prompt": "hi"}, Chat_Key="k")).code is ErrorCode.KEY_CONFLICT
    assert system.outcomes == ["refused", "repeated", "key_conflict"]


async def test_a_stored_error_is_an_error_again(system):
    """An outcome that is an error keeps its ADR-32 headers and its attempt."""
    body = b'{"prompt":"hi"}'
    chat_id = ids.keyed_id("alice", "k")
    stored = ErrorReply.of(ErrorCode.MODEL_FAILED, "it failed", chat_id=chat_id).model_dump_json().encode()
    system.streams.results[f"chat.result.alice.{chat_id}"] = Stored(
        {headers.CHAT_BODY_SHA256: ids.body_sha256(body), "Chat-Attempt": "2", "Chat-Seq": "5"}, stored
    )
    said = await system.direct(body, Chat_Key="k")
    assert error_of(said).code is ErrorCode.MODEL_FAILED
    assert (said[0].headers["Chat-Attempt"], said[0].headers["Chat-Seq"]) == ("2", "5")


async def test_the_second_of_two_outcomes_is_what_the_first_was(system):
    """A refusal that finds an outcome stored replies with that one."""
    earlier = Reply(response="Blue.", id=UUID(ID)).model_dump_json().encode()
    digest = ids.body_sha256(json.dumps({"prompt": "darn"}).encode())
    system.streams.results[f"chat.result.http-127-0-0-1.{ID}"] = Stored({"Chat-Body-SHA256": digest}, earlier)
    [said] = await system.gateway({"prompt": "darn"})
    assert said.body == earlier


async def test_a_full_queue_says_when_to_come_back(policy_file):
    """CHAT's limit is an error of the moment, with the consumers' own time."""
    system = System(policy_file(""), streams=FakeStreams(room=0))
    system.worker(7.0)
    error = error_of(await system.gateway({"prompt": "hi"}))
    assert (error.code, error.retry_after, error.final) == (ErrorCode.QUEUE_FULL, 7.0, False)


async def test_accepted_says_what_is_before(system):
    """The place in the queue, and how long that takes the workers there are."""
    system.worker(20.0)
    [first] = await system.gateway({"prompt": "hi"}, Chat_Id=ID[:-1] + "2")
    [second] = await system.gateway({"prompt": "hi"}, Chat_Id=ID[:-1] + "3", Chat_Client="http-other")
    assert json.loads(first.body) == {"id": ID[:-1] + "2", "position": 0, "estimate_seconds": 0.0}
    assert json.loads(second.body) == {"id": ID[:-1] + "3", "position": 1, "estimate_seconds": 20.0}


async def test_a_client_with_too_many_is_told_when_to_come_back(policy_file):
    """The policy's limit for one client: a repeat and other clients are let in, a new one not."""
    system = System(policy_file("limits: {max_waiting_per_client: 2}\n"))
    system.worker(7.0)
    for number in "23":
        await system.gateway({"prompt": "hi"}, Chat_Id=ID[:-1] + number)
    error = error_of(await system.gateway({"prompt": "hi"}, Chat_Id=ID[:-1] + "4"))
    # The first of them is begun at once, as a worker is idle.
    assert (error.code, error.retry_after, error.final) == (ErrorCode.CLIENT_QUEUE_FULL, 1.0, False)
    [repeated] = await system.gateway({"prompt": "hi"}, Chat_Id=ID[:-1] + "3")
    [other] = await system.gateway({"prompt": "hi"}, Chat_Id=ID[:-1] + "5", Chat_Client="http-other")
    assert [said.headers["Chat-Event"] for said in (repeated, other)] == ["accepted", "accepted"]
    assert len(system.streams.chat) == 3


async def test_a_client_with_too_many_learns_what_was_stored(policy_file):
    """A repeat of what is answered, or waits where another filter put it, takes no place."""
    system = System(policy_file("limits: {max_waiting_per_client: 1}\n"))
    body = {"prompt": "hi"}
    digest = {"Chat-Body-SHA256": ids.body_sha256(json.dumps(body).encode())}
    answer = Reply(response="Blue.", id=UUID(ID)).model_dump_json().encode()
    system.streams.results[f"chat.result.http-127-0-0-1.{ID}"] = Stored(digest, answer)
    elsewhere = ID[:-1] + "7"
    system.streams.chat[f"chat.approved.interactive.http-127-0-0-1.{elsewhere}"] = Stored(digest, b"")
    await system.gateway(body, Chat_Id=ID[:-1] + "2")
    [answered] = await system.gateway(body)
    [accepted] = await system.gateway(body, Chat_Id=elsewhere)
    assert (answered.body, accepted.headers["Chat-Event"]) == (answer, "accepted")


async def test_a_burst_of_one_client_is_bounded(policy_file):
    """Those that are being checked count, so no burst gets past; what ends gives its place back."""
    system = System(policy_file(SCANS + "limits: {max_waiting_per_client: 3}\n"))
    system.scanners.gate.clear()
    asked = [
        asyncio.create_task(system.gateway({"prompt": f"{number}"}, Chat_Id=f"{ID[:-2]}{number:02}"))
        for number in range(10)
    ]
    await until(lambda: len(system.outcomes) == 7)
    system.scanners.says = Scanned((), State.ERROR)
    system.scanners.gate.set()
    codes = [error_of(said).code for said in await asyncio.gather(*asked)]
    assert codes == [ErrorCode.FILTER_ERROR] * 3 + [ErrorCode.CLIENT_QUEUE_FULL] * 7
    system.scanners.says = Scanned(())
    [said] = await system.gateway({"prompt": "hi"})
    assert said.headers["Chat-Event"] == "accepted"


@pytest.mark.parametrize("passes", ["before the scan", "while it is scanned"])
async def test_a_deadline_that_has_passed(policy_file, passes):
    """Nothing is approved; the outcome is stored, says where it was, and a repeat hears the same."""
    system = System(policy_file(SCANS))
    if passes == "before the scan":
        system.now = NOW + 60
        [said] = await system.gateway({"prompt": "hi"})
        assert system.scanners.asked == []
    else:
        system.scanners.gate.clear()
        asked = asyncio.create_task(system.gateway({"prompt": "hi"}))
        await until(lambda: system.scanners.asked)
        system.now = NOW + 60
        system.scanners.gate.set()
        [said] = await asked
    error = error_of([said])
    assert (error.code, error.stage, error.final) == (ErrorCode.DEADLINE_EXCEEDED, Stage.FILTER, True)
    assert system.streams.chat == {}
    assert system.streams.results[f"chat.result.http-127-0-0-1.{ID}"].body == said.body
    [again] = await system.gateway({"prompt": "hi"})
    assert (again.body, system.outcomes) == (said.body, ["deadline_exceeded", "repeated"])


async def test_a_deadline_that_passed_after_the_approval(system):
    """What CHAT holds is the workers' to settle: a late repeat is told that it is accepted, as it is."""
    await system.gateway({"prompt": "hi"})
    system.now = NOW + 61
    [said] = await system.gateway({"prompt": "hi"})
    assert said.headers["Chat-Event"] == "accepted"
    assert system.streams.results == {}


@pytest.mark.parametrize("prompt", ["hi", "darn"])
async def test_what_may_be_stored_is_not_spoken_of(system, prompt):
    """Without a confirmation nothing is said; the requester repeats."""
    system.streams.fails = UnconfirmedError()
    assert await system.gateway({"prompt": prompt}, Chat_Events="token") == []
    assert system.outcomes == ["unconfirmed"]


async def test_what_is_surely_not_stored_is_told(system):
    """A bus that says no is an error of the moment."""
    system.streams.fails = UnavailableError("no")
    assert error_of(await system.gateway({"prompt": "hi"})).code is ErrorCode.BUS_UNAVAILABLE


async def test_a_failure_of_the_filters_own_approves_nothing(system):
    """An unforeseen exception is answered as ``internal``, without its text."""
    system.streams.fails = RuntimeError("a secret")
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
    system = System(policy_file(SCANS), scanners)
    error = error_of(await system.gateway({"prompt": "hi"}))
    assert (error.code, error.final) == (code, False)
    assert system.streams.chat == system.streams.results == {}


async def test_an_approval_outweighs_a_scanners_bad_moment(policy_file):
    """What CHAT holds already was approved before; a repeat whose scan fails is accepted all the same."""
    system = System(policy_file(SCANS))
    await system.gateway({"prompt": "hi"})
    system.scanners.says = Scanned((), State.TIMEOUT)
    [said] = await system.gateway({"prompt": "hi"})
    assert said.headers["Chat-Event"] == "accepted"


async def test_what_no_worker_would_believe_is_not_approved(system):
    """An error of the moment, and nothing stored; what CHAT holds already was approved and is accepted."""
    await system.gateway({"prompt": "hi"})
    before = dict(system.streams.chat)
    system.doubt = "nobody knows the key"
    error = error_of(await system.gateway({"prompt": "ho"}, Chat_Id=ID[:-1] + "2"))
    assert (error.code, error.final) == (ErrorCode.FILTER_ERROR, False)
    [said] = await system.gateway({"prompt": "hi"})
    assert said.headers["Chat-Event"] == "accepted"
    assert (system.streams.chat, system.streams.results) == (before, {})


async def test_a_refusal_outweighs_another_scanners_failure(policy_file):
    """Where one rule refuses, another one's error changes nothing."""
    found = Finding("Word", 1, State.REFUSE)
    system = System(policy_file(SCANS), FakeScanners(Finding("Word", 0, State.ERROR), found))
    [said] = await system.gateway({"prompt": "b", "messages": [{"role": "user", "content": "a"}]})
    assert Reply.model_validate_json(said.body).refusal.place == "messages[0]"


@pytest.mark.parametrize("state", [State.REFUSE, State.ERROR])
async def test_a_watched_scanner_only_tells(policy_file, state):
    """A ``monitor`` scanner's finding and its error are told, and the request goes on."""
    system = System(policy_file(SCANS), FakeScanners(Finding("Watch", 0, state)))
    [said] = await system.gateway({"prompt": "hi"})
    assert said.headers["Chat-Event"] == "accepted"
    assert [seen[2] for seen in system.monitored] == [state]


async def test_scanners_see_every_text_once(policy_file):
    """The prompt, each message and the joined text; nothing twice; and nothing that keywords refuse."""
    system = System(policy_file(SCANS))
    turns = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]
    await system.gateway({"prompt": "c", "messages": [*turns, turns[0]]})
    await system.gateway(
        {"prompt": "c", "messages": [{"role": "user", "content": "c"}]}, Chat_Id=ID[:-1] + "2"
    )
    await system.gateway({"prompt": "darn"}, Chat_Id=ID[:-1] + "3")
    assert system.scanners.asked == [["c", "a", "b", "a\nb\na\nc"], ["c"]]


async def test_a_repeat_while_the_first_is_scanned_is_not_scanned_again(policy_file):
    """The gateway repeats what it has heard nothing of; a slow scan is made once, and both are answered."""
    system = System(policy_file(SCANS))
    system.scanners.gate.clear()
    first = asyncio.create_task(system.gateway({"prompt": "hi"}))
    await until(lambda: system.scanners.asked)
    second = asyncio.create_task(system.gateway({"prompt": "hi"}))
    await until(lambda: system.handler._in_hand)
    system.scanners.says = Scanned((), State.ERROR)
    system.scanners.gate.set()
    assert error_of(await first).code is ErrorCode.FILTER_ERROR
    assert await second == await first
    assert len(system.scanners.asked) == 1


async def test_a_request_that_names_a_model_is_for_its_workers(system):
    """The subject says which, whatever the case of the name; what is signed and told goes by lane and id."""
    system.lives("SmolLM2-135M", "Llama-3.2")
    [said] = await system.gateway({"prompt": "hi", "model": "LLAMA-3.2"})
    assert said.headers["Chat-Event"] == "accepted"
    [(subject, stored)] = system.streams.chat.items()
    assert subject == f"chat.approved.interactive.http-127-0-0-1.{ID}.llama-3=2E2"
    assert json.loads(stored.body)["model"] == "LLAMA-3.2"
    assert system.usher.standing(subject.rpartition(".")[0]).position == 0


@pytest.mark.parametrize("name", [None, "", "stile", "Stile"])
async def test_a_request_that_names_none_is_for_whichever_is_idle(system, name):
    """``stile`` is for clients that must put some name; no model is told of it."""
    system.lives("smollm2")
    await system.gateway({"prompt": "hi", "model": name})
    [(subject, stored)] = system.streams.chat.items()
    assert subject == f"chat.approved.interactive.http-127-0-0-1.{ID}"
    assert "model" not in json.loads(stored.body)


@pytest.mark.parametrize("name", ["gpt-4o", "smollm-2", "x" * 200])
async def test_a_model_that_no_worker_has_is_not_found(policy_file, name):
    """Said before anything is scanned, with the models that there are; not final, as a worker may come."""
    system = System(policy_file(SCANS))
    system.lives("smollm2", "Llama-3.2")
    error = error_of(await system.gateway({"prompt": "hi", "model": name}))
    assert (error.code, error.param, error.final) == (ErrorCode.MODEL_NOT_FOUND, "model", False)
    assert "Llama-3.2, smollm2" in error.message
    assert "stile" in error.message
    assert name not in error.message
    assert (system.scanners.asked, system.streams.chat, system.streams.results) == ([], {}, {})


async def test_a_model_is_waited_for_while_none_is_known(system):
    """Where all are just starting, the request waits for its worker."""
    [said] = await system.gateway({"prompt": "hi", "model": "smollm2"})
    assert said.headers["Chat-Event"] == "accepted"


async def test_a_worker_that_starts_again_still_owns_its_requests(system):
    """Its model counts for ten minutes after it was heard last, and then no more."""
    system.lives("smollm2")
    system.monotonic += 480
    system.lives("llama")
    await system.gateway({"prompt": "hi", "model": "smollm2"}, Chat_Id=ID[:-1] + "2")
    system.monotonic += 60
    error = error_of(await system.gateway({"prompt": "hi", "model": "smollm2"}))
    assert error.code is ErrorCode.MODEL_NOT_FOUND
    await system.gateway({"prompt": "hi", "model": "llama"})
    assert len(system.streams.chat) == 2


async def test_who_has_just_begun_to_hear_workers_does_not_say_that_one_is_missing(system):
    """Of two workers one is heard first: what names the other waits for its heartbeat, and no longer."""
    system.lives("llama")
    system.monotonic -= 60  # the moment of that first heartbeat
    asking = asyncio.create_task(system.gateway({"prompt": "hi", "model": "smollm2"}))
    wrong = asyncio.create_task(system.gateway({"prompt": "hi", "model": "no"}, Chat_Id=ID[:-1] + "2"))
    await asyncio.sleep(0)
    system.lives("smollm2")
    [said] = await asking
    assert said.headers["Chat-Event"] == "accepted"
    assert error_of(await wrong).code is ErrorCode.MODEL_NOT_FOUND


async def test_what_was_approved_waits_although_its_model_is_gone(system):
    """A repeat takes what CHAT and CHAT_RESULT hold, whoever lives now."""
    system.lives("smollm2", "llama")
    body = {"prompt": "hi", "model": "smollm2"}
    await system.gateway(body)
    system.monotonic += 590
    system.lives("llama")
    [said] = await system.gateway(body)
    assert said.headers["Chat-Event"] == "accepted"
    assert system.outcomes == ["accepted", "repeated"]


@pytest.mark.parametrize("first", [None, "smollm2"])
@pytest.mark.parametrize("second", [None, "smollm2", "llama"])
async def test_a_key_has_one_place_whatever_the_model(system, first, second):
    """Another model under the key is another request, and a conflict; the same one is the first."""
    system.lives("smollm2", "llama")
    for name in (first, second):
        said = await system.direct({"prompt": "hi", "model": name}, Chat_Key="k", Chat_Events="state")
    assert len(system.streams.chat) == 1
    if first == second:
        assert said[0].headers["Chat-Event"] == "accepted"
    else:
        assert error_of(said).code is ErrorCode.KEY_CONFLICT


async def test_two_models_under_one_key_at_once_are_one_request(policy_file):
    """Their subjects differ, so CHAT would take both: the second is decided after the first."""
    system = System(policy_file(SCANS))
    system.lives("smollm2", "llama")
    system.scanners.gate.clear()
    asked = [
        asyncio.create_task(system.direct({"prompt": "hi", "model": name}, Chat_Key="k", Chat_Events="state"))
        for name in ("smollm2", "llama")
    ]
    await until(lambda: system.scanners.asked, what="the first is being scanned")
    system.scanners.gate.set()
    [accepted], refused = await asyncio.gather(*asked)
    assert accepted.headers["Chat-Event"] == "accepted"
    assert error_of(refused).code is ErrorCode.KEY_CONFLICT
    assert (len(system.streams.chat), len(system.scanners.asked)) == (1, 1)
