"""Asking as the console, without a bus."""

import nats.errors
import pytest

from stile_runtime.console_client import ConsoleClient, ConsoleError


class ClosedClient:
    """A connection that is over."""

    def new_inbox(self):
        return "_INBOX.1"

    async def subscribe(self, _subject):
        raise nats.errors.ConnectionClosedError


async def test_a_connection_that_is_over_is_said():
    """A command shows it as one line; the console reads the log again later."""
    with pytest.raises(ConsoleError, match="the bus can't be used"):
        async for _ in ConsoleClient(ClosedClient()).records():
            pass
