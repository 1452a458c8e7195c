"""A request that asks for an upgrade is answered as if it did not, on every address."""

import asyncio
import itertools
import json

import pytest

from harness.parts.gateway import Responder

BODY = b'{"prompt": "Why?"}'
CHAT = b'{"messages": [{"role": "user", "content": "Why?"}]}'
H2C = b"Connection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AAEAAEAAAAIAAAAA\r\nUpgrade: h2c\r\n"
"""As the JDK's HttpClient and curl send it."""
UPGRADES = {
    "h2c": H2C,
    "websocket": b"Upgrade: websocket\r\nConnection: keep-alive, Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n",
    "several": b"Upgrade: TLS/1.2, foo/2\r\nConnection: upgrade\r\nconnection: Keep-Alive\r\n",
}


@pytest.fixture(autouse=True)
async def responder(bus):
    return await Responder(await bus.connect("filter"), Responder.whole).start()


def request(method, path, body, fields, *, chunked=False):
    head = f"{method} {path} HTTP/1.1\r\nHost: localhost\r\n".encode() + fields
    if not body:
        return head + b"\r\n"
    head += b"Content-Type: application/json\r\n"
    if chunked:
        return head + b"Transfer-Encoding: chunked\r\n\r\n5\r\n%b\r\n%x\r\n%b\r\n0\r\n\r\n" % (
            body[:5],
            len(body) - 5,
            body[5:],
        )
    return head + b"Content-Length: %d\r\n\r\n%b" % (len(body), body)


class Connection:
    """One connection, on which answers with a length are read."""

    async def open(self, gateway):
        self.reader, self.writer = await asyncio.open_connection("127.0.0.1", gateway.port)
        return self

    async def answer(self):
        async with asyncio.timeout(30):
            head = await self.reader.readuntil(b"\r\n\r\n")
            fields = dict(line.split(": ", 1) for line in head.decode().lower().split("\r\n")[1:] if line)
            body = await self.reader.readexactly(int(fields["content-length"]))
        return int(head.split()[1]), body


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/chat", BODY),
        ("POST", "/v1/chat", BODY),
        ("POST", "/v1/chat/completions", CHAT),
        ("GET", "/v1/models", b""),
        ("GET", "/healthz", b""),
        ("GET", "/", b""),
    ],
)
async def test_an_upgrade_is_ignored(gateway, method, path, body):
    """Whole, in pieces, and twice on one connection, whatever its framing is."""
    for fields, chunked in itertools.product(UPGRADES.values(), (False, True)):
        sent = request(method, path, body, fields, chunked=chunked)
        connection = await Connection().open(gateway)
        connection.writer.write(sent)
        status, whole = await connection.answer()
        assert status == 200, whole
        for at in range(0, len(sent), 7):
            connection.writer.write(sent[at : at + 7])
            await connection.writer.drain()
        assert (await connection.answer())[0] == 200
        connection.writer.write(request("GET", "/healthz", b"", b""))
        assert (await connection.answer())[0] == 200


async def test_what_is_sent_ahead_is_answered_too(gateway, responder):
    """Each in its turn, with its own body."""
    connection = await Connection().open(gateway)
    bodies = [json.dumps({"prompt": f"question {number}"}).encode() for number in range(8)]
    connection.writer.write(b"".join(request("POST", "/chat", body, H2C) for body in bodies))
    for _ in bodies:
        assert (await connection.answer())[0] == 200
    assert [message.data for message in responder.requests] == bodies


async def test_a_head_is_bounded_all_the_same(gateway):
    """And what is no HTTP is no request."""
    for fields, status in (
        (H2C + b"X: %b\r\n" % (b"x" * 70_000), 400),
        (H2C + b"Content-Length: x\r\n", 400),
    ):
        connection = await Connection().open(gateway)
        connection.writer.write(request("POST", "/chat", BODY, fields))
        assert (await connection.answer())[0] == status


@pytest.mark.parametrize("framing", ["Expect:", "Transfer-Encoding: chunked"])
@pytest.mark.parametrize(("path", "body"), [("/chat", BODY), ("/v1/chat/completions", CHAT)])
async def test_curl_that_offers_http2(gateway, path, body, framing):
    """``curl --http2`` on a plain connection asks for h2c."""
    process = await asyncio.create_subprocess_exec(
        *("curl", "-s", "--http2", "-w", "%{http_code}", "-H", "Content-Type: application/json"),
        *("-H", framing, "--data", body.decode(), f"{gateway.url}{path}"),
        stdout=asyncio.subprocess.PIPE,
    )
    out, _ = await process.communicate()
    assert out.endswith(b"200"), out
    assert b"blue" in out
