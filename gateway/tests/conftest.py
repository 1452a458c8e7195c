"""A bus in memory that implements the use case's port, and the words that are said on it."""

import contextlib
import json
from uuid import UUID

import pytest

from stile_contracts.errors import ErrorCode
from stile_contracts.messages import ErrorReply
from stile_gateway import conversation, recall
from stile_gateway.chat import Chat
from stile_gateway.errors import BusUnavailableError
from stile_gateway.inbox import Delivery, Found, Inbox, Signal
from stile_gateway.metrics import Metrics
from stile_gateway.question import Question, Timing

ID = UUID("01920000-0000-7000-8000-000000000001")


class FakeBus:
    """Keeps what was published; ``on_publish`` is called with the inbox and the number of the publish."""

    def __init__(self, on_publish=lambda _inbox, _number: None):
        self.on_publish = on_publish
        self.connected = True
        self.published = []
        self.on_look_up = lambda _inbox, _number: None
        self.looked_up = []
        self.cancelled = []
        self.is_elsewhere = False
        self.asked_elsewhere = []
        self.inboxes = {}

    def says(self, *deliveries):
        """Answer the first publish with these."""

        def on_publish(inbox, number):
            if number == 1:
                for delivery in deliveries:
                    inbox.put(delivery)

        self.on_publish = on_publish

    @contextlib.contextmanager
    def inbox(self, name, about=None):  # noqa: ARG002 -- the port's
        inbox = self.inboxes[name] = Inbox(f"_INBOX_gateway.test.{name}", size=8)
        try:
            yield inbox
        finally:
            del self.inboxes[name]

    async def look_up(self, client, chat_id, inbox):
        if not self.connected:
            raise BusUnavailableError("The bus is not connected.")
        self.looked_up.append((client, chat_id))
        self.on_look_up(inbox, len(self.looked_up))

    async def cancel(self, client, chat_id, inbox=None):  # noqa: ARG002 -- the port's
        self.cancelled.append((client, chat_id))

    async def is_heard_elsewhere(self, client, chat_id):
        if not self.connected:
            raise BusUnavailableError("The bus is not connected.")
        self.asked_elsewhere.append((client, chat_id))
        return self.is_elsewhere

    async def publish(self, inbox, body, headers):
        if not self.connected:
            raise BusUnavailableError("The bus is not connected.")
        self.published.append((body, headers))
        self.on_publish(inbox, len(self.published))


class Words:
    """Deliveries as the filter and the consumer make them."""

    nobody = Signal.NO_RESPONDERS
    back = Signal.RECONNECTED
    settled = Signal.SETTLED

    def event(self, name, attempt, seq, **fields):
        headers = {"Chat-Event": name, "Chat-Attempt": str(attempt), "Chat-Seq": str(seq)}
        return Delivery(headers, json.dumps(fields).encode())

    def accepted(self):
        return self.event("accepted", 0, 0, id=str(ID))

    def started(self, attempt=1):
        return self.event("started", attempt, 0, id=str(ID))

    def token(self, text, seq, attempt=1):
        return self.event("token", attempt, seq, text=text)

    def done(self, text="blue", seq=1, attempt=1):
        return self.event("done", attempt, seq, response=text, id=str(ID))

    def place(self, **place):
        return Delivery({"Chat-Event": "position"}, json.dumps({"id": str(ID), **place}).encode())

    def found(self, delivery):
        """Make a delivery the answer to a look-up."""
        return Found(delivery.headers, delivery.body)

    def error(self, code=ErrorCode.QUEUE_FULL, attempt=0, **fields):
        body = ErrorReply.of(code, "So it is.", **fields).model_dump_json(exclude_none=True).encode()
        return Delivery({"Chat-Event": "error", "Chat-Attempt": str(attempt), "Chat-Seq": "0"}, body)


@pytest.fixture
def words():
    return Words()


@pytest.fixture
def fake_bus():
    return FakeBus()


@pytest.fixture
def metrics():
    return Metrics()


@pytest.fixture
def chat(fake_bus, metrics):
    return Chat(fake_bus, Timing(accept=0.3, answer=0.6), metrics)


@pytest.fixture
def question():
    return Question(id=ID, client="http-127-0-0-1", body=b'{"prompt": "Why?"}')


@pytest.fixture
def quick(monkeypatch):
    """Repeats and lateness in hundredths of a second."""
    monkeypatch.setattr(conversation, "REPEAT_SECONDS", 0.05)
    monkeypatch.setattr(conversation, "NO_RESPONDERS_SECONDS", 0.02)
    monkeypatch.setattr(conversation, "LATE_SECONDS", 0.02)
    monkeypatch.setattr(conversation, "SETTLED_SECONDS", 0.03)
    monkeypatch.setattr(conversation, "LOOK_SECONDS", 0.1)
    monkeypatch.setattr(recall, "REPEAT_SECONDS", 0.05)
    monkeypatch.setattr(recall, "NO_RESPONDERS_SECONDS", 0.02)
