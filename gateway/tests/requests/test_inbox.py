"""The bounded queue of one request's replies."""

from stile_gateway.requests.events import Inbox


async def test_tokens_give_way_where_there_is_no_room(words):
    """A full queue drops tokens and counts them; the final word always finds room."""
    inbox = Inbox("x", size=3)
    for seq in range(5):
        inbox.put(words.token("t", seq))
    inbox.put(words.done())
    heard = [await inbox.get(1) for _ in range(3)]
    assert heard[-1] == words.done()
    assert inbox.dropped == 3
    assert await inbox.get(0) is None


async def test_what_is_no_token_is_kept(words):
    """A token that came after `started` gives way, and not `started`; so does a place that was replaced."""
    inbox = Inbox("x", size=4)
    came = [words.started(), words.position(position=3), words.token("t", 1), words.position(position=1)]
    for heard in [*came, words.done(), words.error()]:
        inbox.put(heard)
    heard = [await inbox.get(1) for _ in range(4)]
    assert heard == [words.started(), words.position(position=1), words.done(), words.error()]
    assert inbox.dropped == 2


async def test_nothing_heard_in_time_is_none():
    """Waiting ends by itself."""
    assert await Inbox("x").get(0.01) is None
