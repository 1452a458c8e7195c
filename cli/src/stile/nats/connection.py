"""One short connection to NATS, for a command that asks it something."""

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import nats.errors
from nats.aio.client import Client

from stile.errors import BusError
from stile_runtime import connection
from stile_runtime.login import Login

logging.getLogger("nats").setLevel(logging.CRITICAL)  # its errors are raised, and printed as one line
# asyncio warns of a return value of nats-py's protocol at the end of each connection with TLS.
logging.getLogger("asyncio").setLevel(logging.ERROR)

PROVISIONER = "provisioner"
"""The user that may call all of JetStream's API, and nothing else."""
PROVISIONER_INBOX = f"_INBOX_{PROVISIONER}"


@asynccontextmanager
async def connect(login: Login) -> AsyncIterator[Client]:
    """Connect, and close the connection after the block.

    Raises:
        BusError: nats-server is not there, or does not know the key.
    """
    try:
        client = await connection.connect(login, "stile")
    except FileNotFoundError as error:
        raise BusError(f"{error.filename}: no such file") from error
    except (OSError, nats.errors.Error) as error:
        # A timeout has no words of its own.
        reason = str(error) or f"no answer within {connection.CONNECT_SECONDS} s"
        raise BusError(f"no bus on {login.url}: {reason}") from error
    try:
        yield client
    finally:
        await client.close()
