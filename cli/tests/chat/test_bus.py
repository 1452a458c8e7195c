"""What a direct client makes of the messages on its inbox."""

import asyncio
import json
from contextlib import asynccontextmanager
from types import SimpleNamespace

import nats.errors
import pytest

from stile.chat import bus
from stile.chat.bus import Bus
from stile.chat.events import Done, Piece, Queued, Started
from stile.errors import BusError, RequestError
from stile.nats import connection
from stile_contracts import headers
from stile_runtime.login import Login

NOBODY = SimpleNamespace(headers={"Status": "503"}, data=b"")
END = SimpleNamespace(headers=None, data=b"")


def message(event, attempt=1, **data):
    """Make a message as the filter or a worker sends it."""
    said = {headers.CHAT_EVENT: event, headers.CHAT_ATTEMPT: str(attempt)}
    if event == "error":
        said["Nats-Service-Error-Code"] = "503"
    return SimpleNamespace(headers=said, data=json.dumps(data).encode())


ACCEPTED = message("accepted", 0, id="7", position=1)
STARTED = message("started", id="7", model="small")
DONE = message("done", id="7", response="blue")


class Client:
    """nats-py's, on whose inbox the given messages come; None: nothing comes in time."""

    def __init__(self, *messages):
        self.messages = list(messages)
        self.published = []
        self.is_closed = False

    def new_inbox(self):
        return "_INBOX.x"

    async def subscribe(self, _subject):
        return self

    async def publish(self, subject, body=b"", **options):
        self.published.append((subject, body, options.get("headers")))

    async def flush(self, **_):
        pass

    async def next_msg(self, **_):
        await asyncio.sleep(0)
        if not self.messages:
            self.is_closed = True
            raise nats.errors.TimeoutError
        if (found := self.messages.pop(0)) is None:
            raise nats.errors.TimeoutError
        return found


@pytest.fixture
def ask(monkeypatch):
    """Ask with a client whose messages are given; return what was heard."""
    monkeypatch.setattr(bus, "_LOOK_SECONDS", 0)

    def run(client, most=100):
        @asynccontextmanager
        async def connect(_login):
            yield client

        monkeypatch.setattr(connection, "connect", connect)
        heard = Bus(Login("nats://x", None, None, "_INBOX")).stream({"prompt": "Colour?"})
        events = [event for _, event in zip(range(most), heard, strict=False)]
        heard.close()
        return events

    return run


def test_an_answer(ask):
    """Places, pieces and the whole; the request asks for the stream."""
    client = Client(
        ACCEPTED, message("position", 0, id="7", position=0), STARTED, message("token", text="b"), DONE
    )
    assert ask(client) == [
        Queued("7", 1, None),
        Queued("7", 0, None),
        Started("7", "small"),
        Piece("b", ""),
        Done({"id": "7", "response": "blue"}),
    ]
    ((subject, body, said),) = client.published
    assert (subject, json.loads(body)) == ("chat.request", {"prompt": "Colour?", "stream": True})
    assert headers.CHAT_KEY in said


def test_without_a_word_it_is_sent_again(ask):
    """Under the same key, so that it stays one request; the receipt of the repeat is no answer."""
    receipt = message("error", 0, error={"code": "in_progress", "message": "it waits"})
    client = Client(NOBODY, None, ACCEPTED, receipt, DONE)
    assert [type(event) for event in ask(client)] == [Queued, Done]
    assert [subject for subject, *_ in client.published] == ["chat.request"] * 3
    assert len({said[headers.CHAT_KEY] for *_, said in client.published}) == 1


def test_another_attempt(ask):
    """What comes late of a former one is passed over."""
    late = message("token", 1, text="late")
    events = ask(Client(ACCEPTED, STARTED, message("started", 2, id="7", model="small"), late, DONE_2))
    assert [type(event) for event in events] == [Queued, Started, Started, Done]


DONE_2 = message("done", 2, id="7", response="blue")


def test_an_error_is_one_line(ask):
    """With the code of the contract."""
    with pytest.raises(RequestError, match="no answer: queue_full: later"):
        ask(Client(message("error", 0, error={"code": "queue_full", "message": "later"})))
    with pytest.raises(BusError, match="was lost"):
        ask(Client(ACCEPTED))


@pytest.mark.parametrize(
    ("fault", "error", "said"),
    [
        (nats.errors.MaxPayloadError, RequestError, "larger than the bus takes"),
        (nats.errors.ConnectionClosedError, BusError, "was lost"),
    ],
)
def test_what_cannot_be_sent_is_one_line(ask, fault, error, said):
    """A question of many megabytes, or a connection that ends at once."""

    class Refusing(Client):
        async def publish(self, *_, **__):
            raise fault

    with pytest.raises(error, match=said):
        ask(Refusing())


def test_nobody_is_there(ask, monkeypatch):
    monkeypatch.setattr(bus, "_GIVE_UP_SECONDS", 0.05)
    with pytest.raises(RequestError, match="no filter answers"):
        ask(Client(*[NOBODY] * 10_000))


def test_one_that_is_left_is_cancelled(ask):
    """By its id, in the client's own account."""
    client = Client(ACCEPTED, STARTED, DONE)
    ask(client, most=2)
    assert client.published[-1][0] == "chat.cancel.7"
    client = Client(ACCEPTED, DONE)
    ask(client)
    assert [subject for subject, *_ in client.published] == ["chat.request"]
