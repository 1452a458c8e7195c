"""The filter's use case with everything around it in memory."""

import asyncio
import contextlib
import json
from types import SimpleNamespace

from harness.filter.records import Records
from harness.filter.store import FakeStore
from stile_contracts.errors import ERRORS
from stile_contracts.messages import ErrorReply, Heartbeat
from stile_filter.admission.admit import Admission
from stile_filter.admission.signing import NoSigner
from stile_filter.guard.decide import Decider, ScanResult
from stile_filter.guard.policy import Policy
from stile_filter.ops.clock import WallClock
from stile_filter.queue.positions import PositionNotifier
from stile_filter.requests.own_answers import OwnAnswers
from stile_filter.transport.message import IncomingMessage
from stile_runtime.fleet import Fleet

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


def beat(name, **fields):
    """Make a worker's heartbeat."""
    known = {"part": "consumer", "version": "1", "ready": True, "checks_answers": True}
    return Heartbeat(instance=name, **known | fields)


class FakeScanners:
    """Says what it is told to, and remembers what it was asked."""

    def __init__(self, *findings, failure=None):
        self.says, self.asked = ScanResult(findings, failure), []
        self.gate = asyncio.Event()
        self.gate.set()

    async def scan(self, texts, client="", rules=None):
        del client, rules
        self.asked.append(list(texts))
        await self.gate.wait()
        return self.says


class Deciding:
    """A handler with everything around it in memory."""

    def __init__(self, file, scanners=None, store=None, signer=None):
        self.policy = Policy(file)
        self.store = store or FakeStore()
        self.scanners = scanners or FakeScanners()
        self.outcomes, self.monitored = [], []
        self.refusing, self.archived = [], []
        self.records = Records()
        decider = Decider(self.policy, self.scanners, lambda *seen: self.monitored.append(seen))
        self.guard = SimpleNamespace(policy=self.policy, decider=decider)
        self.now = NOW
        self.signature_fault = None
        self.clock_fault = None
        self.monotonic = 0.0
        self.fleet = Fleet(clock=lambda: self.monotonic)
        self.monotonic = 60.0
        self.queue = PositionNotifier(
            self.fleet,
            self.store,
            send=None,
            most=self.policy.limits.max_waiting_per_client,
            observer=self,
            wall_clock=WallClock(),
        )
        signer = signer or NoSigner()
        self.own = OwnAnswers(self.store, signer.answers_key)
        self.recognised = []
        self.handler = Admission(
            SimpleNamespace(lease=lambda: contextlib.nullcontext(self.guard)),
            self.store,
            queue=self.queue,
            fleet=self.fleet,
            signer=signer,
            signature_fault=lambda: self.signature_fault,
            clock_fault=lambda: self.clock_fault,
            observer=self,
            find_own=self.own.among,
            archive=SimpleNamespace(keep=lambda *kept: self.archived.append(kept)),
            chat_log=self.records.log,
            now=lambda: self.now,
        )

    def ended(self, outcome, seconds):
        assert seconds >= 0
        self.outcomes.append(outcome)

    def own_answers(self, count):
        self.recognised.append(count)

    def refused(self, rule):
        self.refusing.append(rule.id)

    def worker(self, seconds):
        self.fleet.receive(beat("w", service_seconds=seconds))

    def lives(self, *names):
        """Have workers with these models be heard of, a while ago."""
        for name in names:
            self.fleet.receive(beat(name, model=name))
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
        return await self.handler.handle(IncomingMessage(subject, reply_to, message_headers, raw))


def calling(name, arguments, call_id="c1"):
    """Make the turn of an assistant that calls a tool."""
    call = {"id": call_id, "type": "function", "function": {"name": name, "arguments": arguments}}
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
