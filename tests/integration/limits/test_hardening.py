"""What hostile clients may cost the gateway, as a process on a real nats-server: each is bounded."""

import asyncio
import contextlib
import gzip

import httpx
import psutil
import pytest

from harness.processes.wait import until
from stile_contracts.messages import ErrorReply

JSON = {"Content-Type": "application/json"}
MAX_IN_FLIGHT = 16
SHARE = 2
"""What one address may have of them (docs/adr/0020)."""
MAX_CONNECTIONS = 2 * MAX_IN_FLIGHT + 100


@pytest.fixture
def gateway_settings():
    return {"STILE_MAX_IN_FLIGHT": str(MAX_IN_FLIGHT)}


def head(length, path="/chat", extra=""):
    return (
        f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        f"Content-Length: {length}\r\n{extra}\r\n"
    ).encode()


def address(number):
    """Return a client's own address."""
    return f"127.0.1.{1 + number}"


async def trickle(gateway, first, byte, source="127.0.0.1"):
    """Send ``first``, then ``byte`` again and again; return what comes back until the gateway closes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port, local_addr=(source, 0))
    writer.write(first)

    async def slowly():
        with contextlib.suppress(OSError):
            while True:
                writer.write(byte)
                await writer.drain()
                await asyncio.sleep(0.5)

    heard = b""
    sending = asyncio.create_task(slowly())
    try:
        # Piece by piece: what came before a reset counts.
        with contextlib.suppress(ConnectionResetError):
            while piece := await asyncio.wait_for(reader.read(4096), 120):
                heard += piece
        return heard
    finally:
        sending.cancel()
        writer.close()


def code_of(answer):
    return ErrorReply.model_validate_json(answer.split(b"\r\n\r\n", 1)[1]).error.code


async def test_bodies_that_trickle_hold_no_place_for_ever(gateway, http):
    """As many as may be answered at once trickle: others are told to come back, then all places are free."""
    slow = [
        asyncio.create_task(trickle(gateway, head(100_000) + b'{"prompt": "', b"x", address(number // SHARE)))
        for number in range(MAX_IN_FLIGHT)
    ]

    async def refused():
        return (await http.post("/chat", content=b"{}", headers=JSON)).status_code == 503

    await until(refused, within=30, what="all places are taken")
    for answer in await asyncio.gather(*slow):
        assert answer.startswith(b"HTTP/1.1 422 ")
        assert b"connection: close" in answer.lower()
        assert code_of(answer) == "invalid_request"
    assert (await http.post("/chat", content=b"{}", headers=JSON)).status_code == 422


async def test_heads_that_trickle_are_closed(gateway):
    """A header that gets a byte longer every half second does not renew its time."""
    assert await trickle(gateway, b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nA: ", b"x") == b""


async def test_an_answer_to_a_body_that_is_still_coming_ends_the_connection(gateway):
    """Too large a body is answered before it is sent, and the sender cannot go on for ever."""
    answer = await trickle(gateway, head(10**9), b"x" * 100)
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert code_of(answer) == "too_large"


async def test_connections_are_bounded(gateway, http):
    """Of many that are opened and say nothing so many stay; who comes when they are gone is answered."""
    opened = [
        await asyncio.open_connection("127.0.0.1", gateway.port, local_addr=(address(number // 8), 0))
        for number in range(2 * MAX_CONNECTIONS)
    ]
    process = psutil.Process(gateway.process.pid)

    def held():
        children = process.children(recursive=True) or [process]
        return sum(
            connection.status == "ESTABLISHED" and connection.laddr.port == gateway.port
            for child in [process, *children]
            for connection in child.net_connections(kind="tcp")
        )

    await until(lambda: held() <= MAX_CONNECTIONS, within=30, what="the rest is closed")
    await until(lambda: "too many connections" in gateway.process.output(), what="it is told")
    for _, writer in opened:
        writer.close()
    await until(lambda: held() == 0, within=30, what="all are gone")
    assert (await http.get("/healthz")).status_code == 200


@pytest.mark.parametrize("path", ["/chat", "/v1/chat/completions"])
@pytest.mark.parametrize(
    "body",
    [
        b"[" * 500_000,
        b'{"a":' * 150_000,
        b'{"messages": ' + b"[" * 200_000 + b"]" * 200_000 + b"}",
        b'{"prompt": "x", "tools": [{"type": "function", "function": {"name": "f", "parameters": '
        + b'{"a":' * 50_000
        + b"1"
        + b"}" * 50_000
        + b"}}]}",
        b'{"temperature": ' + b"9" * 200_000 + b"}",
    ],
    ids=["arrays", "objects", "messages", "tools", "number"],
)
async def test_deep_or_endless_json_is_a_422(http, path, body):
    """Nesting and digits have an end before the stack or the processor has."""
    answer = await http.post(path, content=body, headers=JSON)
    assert answer.status_code in {400, 422}
    assert (await http.get("/healthz")).status_code == 200


@pytest.mark.parametrize(
    "body",
    [b'{"prompt": "\xff"}', b'{"prompt": "\xed\xa0\x80"}', b'{"prompt": "\\ud800"}', b"\xff\xfe{\x00}\x00"],
    ids=["no UTF-8", "a surrogate's bytes", "half a surrogate pair", "UTF-16"],
)
async def test_what_is_no_utf8_is_a_422(http, body):
    """Text that is none is refused here; nothing behind the gateway gets to see it."""
    answer = await http.post("/chat", content=body, headers=JSON)
    assert answer.status_code == 422
    assert ErrorReply.model_validate_json(answer.content).error.param == "body"


async def test_headers_that_are_no_ascii_are_no_trouble(http):
    """Bytes above 127 in headers are answered like any others that cannot be used."""
    headers = [
        ("Content-Type", "application/json"),
        ("Idempotency-Key", b"\xff\xfe"),
        ("X-Request-Id", b"\xe9"),
    ]
    answer = await http.post("/chat", content=b'{"prompt": "x"}', headers=headers)
    assert answer.status_code == 400
    assert ErrorReply.model_validate_json(answer.content).error.param == "Idempotency-Key"


@pytest.mark.parametrize(
    ("coding", "status"), [("gzip", 413), ("deflate", 415), ("br", 415), ("gzip, gzip", 415), ("zstd", 422)]
)
async def test_a_bomb_is_not_unpacked(http, coding, status):
    """Kilobytes that would be megabytes are read up to the limit alone, or refused by their header."""
    bomb = gzip.compress(b" " * 50_000_000)
    answer = await http.post("/chat", content=bomb, headers={**JSON, "Content-Encoding": coding})
    assert answer.status_code == status


async def test_pipelined_and_smuggled_requests_are_one_each(gateway):
    """Two lengths, or a length beside chunks, are refused, so that no proxy and this can disagree."""
    for extra in ("Content-Length: 5\r\n", "Transfer-Encoding: chunked\r\n"):
        reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
        writer.write(head(2, extra=extra) + b"{}")
        answer = await asyncio.wait_for(reader.read(), 30)
        assert answer.startswith(b"HTTP/1.1 400 "), answer[:200]
        writer.close()


async def test_the_memory_stays(gateway, http):
    """Hundreds of refused requests of half a megabyte leave nothing behind."""
    process = psutil.Process(gateway.process.pid)

    def resident():
        return sum(child.memory_info().rss for child in [process, *process.children(recursive=True)])

    async def storm(times):
        async with httpx.AsyncClient(base_url=gateway.url, timeout=60) as client:
            for _ in range(times):
                await client.post("/chat", content=b"[" * 500_000, headers=JSON)

    await storm(50)
    before = resident()
    await storm(300)
    assert resident() < before + 50_000_000
    assert (await http.get("/healthz")).status_code == 200
