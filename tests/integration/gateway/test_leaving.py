"""Clients that hang up while they send: told at info as gone, and never as an error of the gateway's own."""

import asyncio

import pytest

from harness.processes.wait import until

PATHS = ("/chat", "/v1/chat", "/v1/chat/completions")
HEAD = "{method} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n{extra}\r\n"
BODIES = {
    "announced": ("Content-Length: 1000\r\n", b"{"),
    "chunked": ("Transfer-Encoding: chunked\r\n", b"1\r\n{\r\n"),
    "in a chunk": ("Transfer-Encoding: chunked\r\n", b"ff\r\n{"),
    "not begun": ("Content-Length: 1000\r\n", b""),
    "waiting to go on": ("Content-Length: 1000\r\nExpect: 100-continue\r\n", b""),
    "too large": ("Content-Length: 99999999\r\n", b"{"),
}


@pytest.fixture
def gateway_settings():
    return {"STILE_LOG_FORMAT": "json"}


async def hang_up(gateway, sent, *, abort):
    _, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
    writer.write(sent)
    await writer.drain()
    if abort:
        writer.transport.abort()
    else:
        writer.close()
        await writer.wait_closed()


@pytest.mark.parametrize("abort", [False, True], ids=["closed", "reset"])
async def test_hanging_up_in_mid_body_is_no_error(gateway, http, abort):
    """Each is one line at info and counted with 499; nothing is a 500, and no trace is written."""
    expected = dict.fromkeys(PATHS, 0)
    for path in PATHS:
        for name, (extra, body) in BODIES.items():
            head = HEAD.format(method="POST", path=path, extra=extra).encode()
            await hang_up(gateway, head + body, abort=abort)
            expected[path] += name != "too large"

    async def counted():
        text = (await http.get("/metrics")).text
        return all(
            f'requests_total{{code="client_gone",route="{path}",status="499"}} {count}.0' in text
            for path, count in expected.items()
        )

    await until(counted, within=60, what="all that hung up are counted")
    text = (await http.get("/metrics")).text
    assert 'status="500"' not in text
    output = gateway.process.output()
    assert "Traceback" not in output
    assert '"level": "error"' not in output
    assert "request failed" not in output


async def test_following_with_a_body_is_left_like_any_other(gateway, http):
    """A body that a GET sends is read first, so that it is noticed when its client has gone."""
    path = "/chat/0190a5d0-0000-7000-8000-000000000001?wait=60"
    head = HEAD.format(method="GET", path=path, extra="Content-Length: 1000\r\n").encode()
    await hang_up(gateway, head + b"{", abort=False)

    async def counted():
        text = (await http.get("/metrics")).text
        return 'code="client_gone",route="/chat/{chat_id:uuid}",status="499"} 1.0' in text

    await until(counted, within=60, what="it is counted as gone")
    assert "Traceback" not in gateway.process.output()
