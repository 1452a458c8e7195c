"""One short connection to the bus, for a command that asks it something."""

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import nats
from nats.aio.client import Client

from stile.errors import BusError

PROVISIONER = "provisioner"
"""The user that may call all of JetStream's API, and nothing else."""

_TRIES = 2
"""nats-py tries a server that refuses connections sixty times, two seconds apart, whatever `allow_reconnect`
says: two minutes are too long to learn that nothing runs."""


@asynccontextmanager
async def connect(
    url: str, *, seed: Path | None, user: str = PROVISIONER, tls: ssl.SSLContext | None = None
) -> AsyncIterator[Client]:
    """Connect as ``user``, and close the connection behind the block.

    Args:
        url: of nats-server; several with commas between them.
        seed: the file with the user's seed; without one there is no authentication.
        user: whose inbox it is.
        tls: what proves the two sides to one another.

    Raises:
        BusError: there is no bus, or it does not know the key.
    """
    try:
        client = await nats.connect(
            [each.strip() for each in url.split(",")],
            nkeys_seed=str(seed) if seed else None,
            inbox_prefix=f"_INBOX_{user}".encode(),
            allow_reconnect=False,
            max_reconnect_attempts=_TRIES,
            reconnect_time_wait=1,
            tls=tls,
            tls_handshake_first=tls is not None,  # so that nobody in between can say that there is none
        )
    except FileNotFoundError as error:
        raise BusError(f"{error.filename}: no such file") from error
    except (OSError, nats.errors.Error) as error:
        raise BusError(f"no bus on {url}: {error}") from error
    try:
        yield client
    finally:
        await client.close()
