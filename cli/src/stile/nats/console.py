"""The user ``console`` on the bus, for commands that show the log and the queue."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from stile.errors import BusError
from stile.home import find_home
from stile.keys import credentials
from stile.settings import Settings
from stile_contracts import subjects

if TYPE_CHECKING:
    from stile_runtime.console_client import ConsoleClient


@asynccontextmanager
async def connect(nats_url: str | None, nkey_file: Path | None) -> AsyncIterator["ConsoleClient"]:
    """Connect as the console, and close the connection after the block.

    Args:
        nats_url: of a server elsewhere.
        nkey_file: the console's seed, if it is not the one in ``STILE_HOME``.

    Raises:
        BusError: nats-server is not there or does not know the key, or what is asked can't be done.
    """
    # nats-py takes 0.2 s that `--help` need not pay.
    from stile.nats import connection  # noqa: PLC0415
    from stile_runtime.console_client import USER, ConsoleClient, ConsoleError  # noqa: PLC0415

    settings = Settings.load()
    seed = nkey_file or credentials.seed_file(find_home(settings).credentials, USER)
    async with connection.connect(settings.login(seed, subjects.CONSOLE_INBOX, nats_url)) as client:
        try:
            yield ConsoleClient(client)
        except ConsoleError as error:
            raise BusError(str(error)) from error
