"""What a request refers to, found among a client's stored responses: before ports in memory."""

import json
from uuid import UUID

import pytest

from stile_contracts.errors import ErrorCode
from stile_contracts.messages import ErrorReply, Reply, StartedEvent, ToolCall
from stile_gateway.dialects.responses.call import Earlier, make_call
from stile_gateway.dialects.responses.request import read_response
from stile_gateway.dialects.responses.stored import StoredResponses
from stile_gateway.errors import InvalidRequestError, NoFilterError, NotFoundError, RelayedError
from stile_gateway.requests.events import ReplyEvent

ID = UUID("01920000-0000-7000-8000-000000000001")
CALLS = [
    {"id": f"c{n}", "type": "function", "function": {"name": "weather", "arguments": "{}"}} for n in (0, 1)
]
USER = {"role": "user", "content": "Why?"}


class Ports:
    """A client's one stored response: what was asked, and what became of it."""

    def __init__(self, outcome):
        self.outcome = outcome
        asked = read_response(json.dumps({"input": "Why?", "instructions": "Short."}).encode())
        self.body = make_call(asked, Earlier()).record.json()

    async def read(self, client, chat_id):
        return self.body if (client, chat_id) == ("ada", ID) else None

    async def status(self, client, chat_id, wait):  # noqa: ARG002 -- the service's
        if isinstance(self.outcome, Exception):
            raise self.outcome
        return ReplyEvent(self.outcome)


def earlier(outcome, client="ada", **fields):
    ports = Ports(outcome)
    asked = read_response(json.dumps({"input": "And?", **fields}).encode())
    return StoredResponses(ports, ports, client).earlier(asked)


def relayed(code):
    return RelayedError(ErrorReply.of(code, "So it is.", chat_id=ID))


def answer(text="I look.", calls=CALLS):
    return Reply(response=text, id=ID, tool_calls=[ToolCall(**call) for call in calls] or None)


async def test_what_is_continued_ends_with_its_answer():
    """Its instructions are not carried over."""
    found = await earlier(answer(), previous_response_id=f"resp_{ID}")
    assert found.messages == [USER, {"role": "assistant", "content": "I look.", "tool_calls": CALLS}]


@pytest.mark.parametrize(
    ("outcome", "client", "kind"),
    [
        (answer(), "bea", NotFoundError),
        (relayed(ErrorCode.NOT_FOUND), "ada", NotFoundError),
        (relayed(ErrorCode.MODEL_FAILED), "ada", InvalidRequestError),
        (StartedEvent(id=ID), "ada", InvalidRequestError),
        (NoFilterError("None."), "ada", NoFilterError),
        (relayed(ErrorCode.FILTER_ERROR), "ada", RelayedError),
    ],
)
async def test_what_cannot_be_continued(outcome, client, kind):
    """Another client's, one that is too old, one that failed or is not complete; or nobody could say."""
    with pytest.raises(kind) as raised:
        await earlier(outcome, client, previous_response_id=f"resp_{ID}")
    if kind in {NotFoundError, InvalidRequestError}:
        assert raised.value.param == "previous_response_id"
    if kind is NotFoundError:
        assert raised.value.message == f"Previous response with id 'resp_{ID}' not found."


@pytest.mark.parametrize(
    ("name", "messages"),
    [
        (f"msg_{ID}", [{"role": "assistant", "content": "I look."}]),
        (f"fc_{ID}_1", [{"role": "assistant", "content": None, "tool_calls": CALLS[1:]}]),
        (f"rs_{ID}", []),
        (f"item_{ID}_0", [USER]),
        (f"fc_{ID}_2", None),
        (f"item_{ID}_1", None),
        ("msg_1", None),
        (f"msg_{UUID(int=1)}", None),
    ],
)
async def test_an_item_is_found_by_its_id(name, messages):
    """It is the text or one call of an answer, or what was sent; None is not found."""
    found = await earlier(answer(), input=[USER, {"type": "item_reference", "id": name}])
    assert found.items.get(name) == messages


async def test_an_item_of_what_failed_is_not_found():
    """Its request has no answer."""
    reference = {"type": "item_reference", "id": f"msg_{ID}"}
    assert (await earlier(relayed(ErrorCode.CANCELLED), input=[USER, reference])).items == {}
