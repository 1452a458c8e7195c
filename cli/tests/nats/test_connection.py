"""A command's connection: what it says of a bus that is not there, or does not speak."""

import asyncio

import pytest

from stile.errors import BusError
from stile.nats import connection
from stile_runtime.login import Login


async def test_a_server_that_says_nothing_is_one_line(monkeypatch):
    """The line says how long it was waited for."""
    monkeypatch.setattr("stile_runtime.connection.CONNECT_SECONDS", 0.1)
    silent = await asyncio.start_server(lambda _reader, _writer: None, "127.0.0.1", 0)
    port = silent.sockets[0].getsockname()[1]
    login = Login(f"nats://127.0.0.1:{port}", None, None, "_INBOX")
    with pytest.raises(BusError, match=rf"no bus on nats://127.0.0.1:{port}: no answer within 0.1 s"):
        async with connection.connect(login):
            pytest.fail("there is no connection")
    silent.close()
