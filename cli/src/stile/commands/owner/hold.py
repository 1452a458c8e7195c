"""`stile hold` and `stile resume`: the queue stands still, and goes on."""

import asyncio
from pathlib import Path

import typer

from stile.commands.options import NatsUrl
from stile.commands.owner.options import Seed
from stile.nats import console


def hold(*, nats_url: NatsUrl = None, nkey_file: Seed = None) -> None:
    """Put the queue on hold: requests are accepted and wait, and nothing more is started.

    What is being answered is answered to its end. The hold lasts until `stile resume`, also if any
    part is started again. The deadlines of the requests run on.
    """
    asyncio.run(_hold(nats_url, nkey_file))
    typer.echo("The queue is on hold: `stile resume` ends it.")


def resume(*, nats_url: NatsUrl = None, nkey_file: Seed = None) -> None:
    """End the hold: what waits is answered."""
    asyncio.run(_resume(nats_url, nkey_file))
    typer.echo("The queue goes on.")


async def _hold(nats_url: str | None, nkey_file: Path | None) -> None:
    async with console.connect(nats_url, nkey_file) as asked:
        await asked.hold()


async def _resume(nats_url: str | None, nkey_file: Path | None) -> None:
    async with console.connect(nats_url, nkey_file) as asked:
        await asked.resume()
