"""What is kept of one request for those who listen, and how a stream that broke off goes on: pure."""

import asyncio
import json
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stile_contracts.messages import EventKind, PositionEvent, Reply, StartedEvent, TokenEvent
from stile_gateway.dialects.stile.api import Stile
from stile_gateway.dialects.stile.stream import NamedEvents, StreamPosition
from stile_gateway.errors import NoFilterError
from stile_gateway.requests import transcript as module
from stile_gateway.requests.events import ReplyEvent
from stile_gateway.requests.transcript import Transcript

ID = "01920000-0000-7000-8000-000000000001"


def received(body, attempt, *, after_gap=False):
    """Return an event as the sequencer does: with its JSON as it came."""
    return ReplyEvent(body, attempt, body.model_dump_json(exclude_none=True).encode(), after_gap)


def started(attempt=1):
    return received(StartedEvent(id=UUID(ID)), attempt)


def token(text, attempt=1, *, after_gap=False, **fields):
    return received(TokenEvent(text=text, **fields), attempt, after_gap=after_gap)


def done(text, attempt=1, **fields):
    return received(Reply(response=text, id=UUID(ID), **fields), attempt)


def position(number):
    return received(PositionEvent(id=UUID(ID), position=number), 0)


async def read(*said):
    """Return what one who joins at the end is told, as (event, what it says)."""
    transcript = Transcript()
    for one in said:
        transcript.add(one)
    return [told(one) async for one in transcript.follow(5)]


def told(said):
    body = json.loads(said.json)
    return said.kind.value, body.get("text", body.get("position", body.get("response")))


async def test_a_late_reader_gets_the_text_in_one_piece():
    """However slowly somebody reads, nothing waits for it and nothing is lost to it."""
    assert await read(position(2), started(), token("bl"), token("ue"), done("blue")) == [
        ("started", None),
        ("token", "blue"),
        ("done", "blue"),
    ]


async def test_only_the_latest_place_is_told():
    """Each replaces the one before."""
    assert await read(position(2), position(1), done("x")) == [("position", 1), ("done", "x")]


async def test_readers_are_independent():
    """Each is told everything once, from wherever it joins; a silent time is told as None."""
    transcript = Transcript()
    early = transcript.follow(5)
    transcript.add(started())
    transcript.add(token("bl"))
    assert [told(await anext(early)) for _ in range(2)] == [("started", None), ("token", "bl")]
    transcript.add(token("ue"))
    late = transcript.follow(0.01)
    assert [told(await anext(late)) for _ in range(2)] == [("started", None), ("token", "blue")]
    assert await anext(late) is None
    assert told(await anext(early)) == ("token", "ue")
    waiting = asyncio.create_task(anext(early))
    await asyncio.sleep(0)
    transcript.fail(NoFilterError("x"))
    for reader in (waiting, anext(late)):
        with pytest.raises(NoFilterError):
            await reader


async def test_a_gap_ends_the_text():
    """What comes after a missing piece is never joined to what came before it."""
    assert await read(started(), token("bl"), token("e", after_gap=True), token("!"), done("blue!")) == [
        ("started", None),
        ("token", "bl"),
        ("done", "blue!"),
    ]


async def test_an_attempt_that_cannot_be_told_from_the_first_is_not_told():
    """Where `started` was lost, its text would seem to go on with the first one's."""
    assert await read(started(), token("red"), token("bl", 2), done("blue", 2)) == [("done", "blue")]
    assert await read(started(), token("red"), started(2), token("bl", 2), done("blue", 2)) == [
        ("started", None),
        ("token", "bl"),
        ("done", "blue"),
    ]


async def test_what_is_kept_is_bounded(monkeypatch):
    """A text that is too long is told to its bound, and then by `done`; what is not kept is counted."""
    monkeypatch.setattr(module, "MAX_KEPT_BYTES", 50)
    transcript = Transcript()
    transcript.add(started())
    for _ in range(100):
        transcript.add(token("0123456789"))
    transcript.add(done("x"))
    assert len(transcript.text) == 20
    assert transcript.dropped == 98


async def test_pieces_that_are_more_than_text_stay_as_they_are():
    """Calls of tools and logprobs are not merged, and stand where they stood in the text."""
    call = [{"index": 0, "id": "c"}]
    transcript = Transcript()
    for one in (started(), token("a"), token("b"), token("c", tool_calls=call), token("d"), done("abcd")):
        transcript.add(one)
    bodies = [json.loads(said.json) async for said in transcript.follow(5) if said.kind is EventKind.TOKEN]
    assert bodies == [{"text": "ab"}, {"text": "c", "tool_calls": call}, {"text": "d"}]


def written(said, resume=None):
    """Return what a stream sends, as (event, what it says, id)."""
    writer = NamedEvents(Stile(), resume)
    blocks = b"".join(writer.event(one) for one in said).decode().strip().split("\n\n")
    sent = []
    for block in filter(None, blocks):
        fields = dict(line.split(": ", 1) for line in block.split("\n"))
        body = json.loads(fields["data"])
        sent.append((fields["event"], body.get("text", body.get("response")), fields.get("id")))
    return sent


def text_after(blocks, text=""):
    """Return what a client has that puts pieces together and begins anew at `started`."""
    for event, piece, _ in blocks:
        if event == "started":
            text = ""
        elif event == "token":
            text += piece
    return text


FIRST = (started(), token("bl"), token("ue"))


def test_each_piece_says_how_much_was_sent():
    """The ids grow, `started` begins anew, and what has no text has no id."""
    events = written((position(1), *FIRST, started(2), token("bl", 2), done("bl", 2)))
    ids = [event_id for _, _, event_id in events]
    assert [one and one.split("-")[0] for one in ids] == [None, "0", "2", "4", "0", "2", None]
    assert ids[2] == ids[5], "the same text has the same id in every attempt"


def test_a_client_that_acts_on_the_data_has_the_id_already():
    """Name, id, data: in this order, as they always were."""
    block = NamedEvents(Stile()).event(token("bl"))
    assert [line.partition(b":")[0] for line in block.split(b"\n")] == [b"event", b"id", b"data", b"", b""]


@given(st.lists(st.text(max_size=5), max_size=6), st.lists(st.text(max_size=5), max_size=6), st.data())
def test_a_resumed_stream_is_the_whole_text_of_one_attempt(first, second, data):
    """Whatever was sent of whichever attempt: the client ends with exactly the answer, never a splice."""
    pieces = [started(), *map(token, first)]
    heard = written(pieces)
    upto = data.draw(st.integers(0, len(heard)))
    had = text_after(heard[:upto])
    last_id = next((event_id for _, _, event_id in reversed(heard[:upto]) if event_id), None)
    answer = "".join(second)
    rest = written(
        [started(2), *(token(one, 2) for one in second), done(answer, 2)], StreamPosition.parse(last_id)
    )
    assert text_after(rest, had) == answer or (not answer.startswith(had) and rest[-1][1] == answer)
    if had and answer.startswith(had):
        assert "started" not in [event for event, _, _ in rest]


def test_a_stored_answer_is_gone_on_with_where_it_agrees():
    """After a restart there is the outcome alone: its rest is sent, or, where it is another, only `done`."""
    sent = StreamPosition.parse(written(FIRST)[1][2])
    assert [event[:2] for event in written([done("blue")], sent)] == [("token", "ue"), ("done", "blue")]
    assert [event[:2] for event in written([done("black")], sent)] == [("token", "ack"), ("done", "black")]
    assert [event[:2] for event in written([done("red")], sent)] == [("done", "red")]


@pytest.mark.parametrize("text", [None, "", "x", "1", "0-x", "2-0123456789abcdeF", "-1-0123456789abcdef"])
def test_an_id_that_is_none_of_ours_is_passed_over(text):
    """The stream begins at the beginning."""
    assert StreamPosition.parse(text) is None


async def test_thoughts_are_kept_for_those_who_join_later():
    """In their order, before the text."""
    kept = Transcript()
    for event in (
        started(),
        token("", reasoning_content="Why"),
        token("", reasoning_content=" not"),
        token("b"),
        done("b"),
    ):
        kept.add(event)
    said = [event.body async for event in kept.follow(float("inf"))]
    assert [one.reasoning_content for one in said if isinstance(one, TokenEvent)] == ["Why", " not", None]
