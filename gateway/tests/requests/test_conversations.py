"""What a client may store, before a store in memory."""

from uuid import UUID

import pytest

from stile_gateway.errors import TooLargeError
from stile_gateway.requests.conversations import Conversations


def chat(number):
    return UUID(int=number)


class Store:
    """The stream in memory."""

    def __init__(self):
        self.held = {}

    async def create(self, client, chat_id, body):
        if (client, chat_id) in self.held:
            return False
        self.held[client, chat_id] = body
        return True

    async def read(self, client, chat_id):
        return self.held.get((client, chat_id)) or None

    async def erase(self, client, chat_id):
        self.held[client, chat_id] = b""


@pytest.fixture
def store():
    return Store()


@pytest.fixture
def conversations(store):
    return Conversations(store, share_bytes=10)


async def test_a_client_over_its_share_loses_its_own_oldest(conversations):
    """Another client's stay, and what has room too."""
    await conversations.keep("a", chat(1), b"1234")
    await conversations.keep("b", chat(2), b"1234567890")
    await conversations.keep("a", chat(3), b"1234")
    await conversations.keep("a", chat(4), b"1234")
    assert [await conversations.read("a", chat(number)) for number in (1, 3, 4)] == [None, b"1234", b"1234"]
    assert await conversations.read("b", chat(2)) == b"1234567890"


async def test_one_over_the_share_is_an_error(conversations, store):
    """It is not stored, and nothing else goes."""
    await conversations.keep("a", chat(1), b"1234")
    with pytest.raises(TooLargeError):
        await conversations.keep("a", chat(2), b"12345678901")
    assert set(store.held) == {("a", chat(1))}


async def test_the_same_again_changes_nothing(conversations):
    """A repeat under a key is counted once, and what was stored stays."""
    for body in (b"12345", b"other", b"other"):
        await conversations.keep("a", chat(1), body)
    await conversations.keep("a", chat(2), b"12345")
    assert await conversations.read("a", chat(1)) == b"12345"


async def test_what_is_deleted_is_gone_and_gives_room(conversations):
    """It counts no more, and another client has no part in it."""
    await conversations.keep("a", chat(1), b"12345")
    await conversations.keep("a", chat(2), b"12345")
    assert await conversations.read("b", chat(1)) is None
    await conversations.erase("a", chat(2))
    assert await conversations.read("a", chat(2)) is None
    await conversations.keep("a", chat(3), b"12345")
    assert await conversations.read("a", chat(1)) == b"12345"
