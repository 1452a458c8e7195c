"""What the console asks, over a queue and a judge of the test's."""

import json

import pytest

from stile_contracts import subjects
from stile_contracts.messages import PolicyVerdict, QueueListing
from stile_filter.requests.console import ConsoleRequests
from stile_filter.transport.message import IncomingMessage

INBOX = f"{subjects.CONSOLE_INBOX}.a.1"


class Queue:
    """A queue that nobody waits in, or that fails."""

    def __init__(self, error=None):
        self._error = error

    def listing(self):
        if self._error:
            raise self._error
        return QueueListing(now_ms=1, held=False, running=[], waiting=[], waiting_count=0)


async def judge(request):
    """Say what was asked."""
    return PolicyVerdict(policy=request.text)


async def ask(subject, body=b"", reply_to=INBOX, queue=None):
    """Return the subjects and the bodies of what is sent."""
    requests = ConsoleRequests(None, queue or Queue(), None, judge)
    sent = await requests.handle(IncomingMessage(subject, reply_to, {}, body))
    return [(message.subject, json.loads(message.body)) for message in sent]


async def test_what_is_asked_is_replied():
    """The reply goes to the console's own inbox."""
    [(subject, listing)] = await ask(subjects.CONSOLE_QUEUE)
    assert (subject, listing["waiting_count"]) == (INBOX, 0)
    [(_, verdict)] = await ask(subjects.CONSOLE_VERDICT, b'{"text": "Hello"}')
    assert verdict["policy"] == "Hello"


@pytest.mark.parametrize("reply_to", ["", "chat.request.gateway", "_INBOX_gateway.a.1"])
async def test_nothing_is_done_for_another_reply_subject(reply_to):
    """There the reply could pass for a request."""
    assert await ask(subjects.CONSOLE_QUEUE, reply_to=reply_to) == []


@pytest.mark.parametrize(
    ("subject", "body", "queue", "code", "param"),
    [
        ("chat.console.other", b"", None, "not_found", None),
        (subjects.CONSOLE_VERDICT, b'{"text": ""}', None, "invalid_request", "text"),
        (subjects.CONSOLE_VERDICT, b"no", None, "invalid_request", "the body"),
        (subjects.CONSOLE_QUEUE, b"", Queue(KeyError("x")), "internal", None),
    ],
)
async def test_what_fails_is_an_error(subject, body, queue, code, param):
    """A fault of the filter's own is not one of the question."""
    [(_, reply)] = await ask(subject, body, queue=queue)
    assert (reply["error"]["code"], reply["error"].get("param")) == (code, param)
