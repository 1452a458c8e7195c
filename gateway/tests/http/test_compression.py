"""Compressed bodies: what is read of them, a bounded piece at a time."""

import gzip

import pytest
import zstandard

from stile_gateway.errors import InvalidRequestError, TooLargeError
from stile_gateway.http.middleware.compression import Decompression

MAX_BYTES = 1_000_000
COMPRESS = {"gzip": gzip.compress, "zstd": zstandard.compress}


async def read(encoding, *pieces):
    """Return the pieces that an application reads."""
    messages = [
        {"type": "http.request", "body": piece, "more_body": number < len(pieces)}
        for number, piece in enumerate(pieces, 1)
    ]
    found = []

    async def receive():
        return messages.pop(0) if messages else {"type": "http.disconnect"}

    async def app(_scope, receive, _send):
        while (message := await receive())["type"] == "http.request":
            found.append(message["body"])
            if not message["more_body"]:
                return

    scope = {"type": "http", "headers": [(b"content-encoding", encoding.encode())]}
    await Decompression(app, MAX_BYTES)(scope, receive, None)
    return found


@pytest.mark.parametrize("encoding", COMPRESS)
async def test_however_it_is_cut_it_is_the_same(encoding):
    """One part or two, one piece or a byte at a time."""
    text = b"".join(b"%d," % number for number in range(5000))
    one = COMPRESS[encoding](text)
    two = COMPRESS[encoding](text[:7]) + COMPRESS[encoding](text[7:])
    for whole in (one, two):
        for pieces in ([whole], [whole[at : at + 1] for at in range(len(whole))], [whole, b""]):
            assert b"".join(await read(encoding, *pieces)) == text


@pytest.mark.parametrize("encoding", COMPRESS)
async def test_a_bomb_is_stopped_at_the_limit(encoding):
    """What fits is read, in pieces; one byte more is not."""
    pieces = await read(encoding, COMPRESS[encoding](b" " * MAX_BYTES))
    assert sum(map(len, pieces)) == MAX_BYTES
    assert max(map(len, pieces)) < MAX_BYTES
    for size in (MAX_BYTES + 1, 300 * MAX_BYTES):
        with pytest.raises(TooLargeError):
            await read(encoding, COMPRESS[encoding](b" " * size))


@pytest.mark.parametrize("encoding", COMPRESS)
@pytest.mark.parametrize("body", [b"", b"no", b"{}" * 100])
async def test_what_is_no_such_body_is_an_error(encoding, body):
    """Cut off, too, wherever that is."""
    whole = COMPRESS[encoding](b"some text that is long enough")
    for wrong in (body, whole[:-1], whole[:5], whole + b"x"):
        with pytest.raises(InvalidRequestError):
            await read(encoding, wrong)


async def test_what_is_not_compressed_is_passed_on():
    """And so is another coding, which the route refuses."""
    assert await read("identity", b"text") == [b"text"]
    assert await read("br", b"text") == [b"text"]
