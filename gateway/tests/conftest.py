"""A bus in memory that implements the use case's port, and the words that are said on it."""

import asyncio
import contextlib
import json
from uuid import UUID

import pytest

from stile_contracts.errors import ErrorCode
from stile_contracts.messages import ErrorReply
from stile_gateway.errors import AcceptTimeoutError, BusUnavailableError, NoFilterError
from stile_gateway.metrics import Metrics
from stile_gateway.requests.events import Inbox, ReplyMessage, Signal, StatusReply
from stile_gateway.requests.request import ClientRequest, Timing
from stile_gateway.requests.service import RequestService

ID = UUID("01920000-0000-7000-8000-000000000001")


class FakeBus:
    """Keeps what was published; ``on_publish`` is called with the inbox and the number of the publish."""

    def __init__(self, on_publish=lambda _inbox, _number: None):
        self.on_publish = on_publish
        self.connected = True
        self.published = []
        self.on_status = lambda _number: None
        self.status_requests = []
        self.on_cancel = lambda _number: None
        self.cancelled = []
        self.is_elsewhere = False
        self.asked_elsewhere = []
        self.on_follow = lambda _inbox, _number: None
        self.followed = []
        self.inboxes = {}

    def says(self, *messages):
        """Answer the first publish with these."""

        def on_publish(inbox, number):
            if number == 1:
                for message in messages:
                    inbox.put(message)

        self.on_publish = on_publish

    @contextlib.contextmanager
    def inbox(self, name, about):  # noqa: ARG002 -- the port's
        inbox = self.inboxes[name] = Inbox(f"_INBOX_gateway.test.{name}", size=8)
        try:
            yield inbox
        finally:
            del self.inboxes[name]

    async def status(self, client, chat_id, within):
        self._check_connected()
        self.status_requests.append((client, chat_id))
        return await self._reply(self.on_status(len(self.status_requests)), within)

    async def follow(self, inbox, client, chat_id):
        self._check_connected()
        self.followed.append((client, chat_id))
        self.on_follow(inbox, len(self.followed))

    async def cancel(self, client, chat_id):
        self.cancelled.append((client, chat_id))

    async def cancel_receipt(self, client, chat_id, within):
        self._check_connected()
        self.cancelled.append((client, chat_id))
        return await self._reply(self.on_cancel(len(self.cancelled)), within)

    async def is_attended_elsewhere(self, client, chat_id):
        self._check_connected()
        self.asked_elsewhere.append((client, chat_id))
        return self.is_elsewhere

    async def run(self):
        """Stay connected, as the adapter does."""
        await asyncio.Event().wait()

    def _check_connected(self):
        if not self.connected:
            raise BusUnavailableError("The bus is not connected.")

    @staticmethod
    async def _reply(reply, within):
        """Return ``reply``; None is a filter that is silent, and the signal is none at all."""
        if reply is Signal.NO_RESPONDERS:
            raise NoFilterError("No filter is there.")
        if reply is None:
            await asyncio.sleep(within)
            raise AcceptTimeoutError("No filter has replied.")
        return reply

    async def publish(self, inbox, body, headers):
        self._check_connected()
        self.published.append((body, headers))
        self.on_publish(inbox, len(self.published))


class Words:
    """Messages as the filter and the consumer make them."""

    nobody = Signal.NO_RESPONDERS
    back = Signal.RECONNECTED
    finished = Signal.FINISHED

    def event(self, name, attempt, seq, **fields):
        headers = {"Chat-Event": name, "Chat-Attempt": str(attempt), "Chat-Seq": str(seq)}
        return ReplyMessage(headers, json.dumps(fields).encode())

    def accepted(self):
        return self.event("accepted", 0, 0, id=str(ID))

    def started(self, attempt=1):
        return self.event("started", attempt, 0, id=str(ID))

    def token(self, text, seq, attempt=1):
        return self.event("token", attempt, seq, text=text)

    def done(self, text="blue", seq=1, attempt=1):
        return self.event("done", attempt, seq, response=text, id=str(ID))

    def position(self, **position):
        return ReplyMessage({"Chat-Event": "position"}, json.dumps({"id": str(ID), **position}).encode())

    def status(self, message):
        """Make a message the answer to a status request."""
        return StatusReply(message.headers, message.body)

    def error(self, code=ErrorCode.QUEUE_FULL, attempt=0, **fields):
        body = ErrorReply.of(code, "So it is.", **fields).model_dump_json(exclude_none=True).encode()
        return ReplyMessage({"Chat-Event": "error", "Chat-Attempt": str(attempt), "Chat-Seq": "0"}, body)


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
def timing():
    """Repeats and lateness in hundredths of a second."""
    return Timing(
        accept=0.3,
        answer=0.6,
        repeat=0.05,
        no_responders=0.02,
        late=0.02,
        finished=0.03,
        status=0.1,
    )


@pytest.fixture
def service(fake_bus, metrics, timing):
    return RequestService(fake_bus, timing, metrics)


@pytest.fixture
def chat():
    return ClientRequest(id=ID, client="http-127-0-0-1", body=b'{"prompt": "Why?"}')
