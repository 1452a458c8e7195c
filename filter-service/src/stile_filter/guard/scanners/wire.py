"""The frames between the pool and a child: a length of four bytes, big-endian, and JSON."""

import json
import struct
from typing import TYPE_CHECKING, Any, BinaryIO

if TYPE_CHECKING:  # a child needs no asyncio: it is 5 MB
    from asyncio import StreamReader

_LENGTH = struct.Struct(">I")


def encode(frame: dict[str, Any]) -> bytes:
    """Write a frame."""
    body = json.dumps(frame).encode()
    return _LENGTH.pack(len(body)) + body


def read(stream: BinaryIO) -> dict[str, Any] | None:
    """Read a frame; None at the stream's end."""
    head = stream.read(_LENGTH.size)
    if len(head) < _LENGTH.size:
        return None
    frame: dict[str, Any] = json.loads(stream.read(_LENGTH.unpack(head)[0]))
    return frame


async def receive(stream: "StreamReader") -> dict[str, Any]:
    """Read a frame.

    Raises:
        asyncio.IncompleteReadError: the other side is gone.
    """
    (length,) = _LENGTH.unpack(await stream.readexactly(_LENGTH.size))
    frame: dict[str, Any] = json.loads(await stream.readexactly(length))
    return frame
