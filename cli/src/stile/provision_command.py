"""`stile provision`: makes the streams on a bus that runs somewhere else (Docker, a cluster)."""

import asyncio
from pathlib import Path
from typing import Annotated

import nats
import typer
from nats.aio.client import Client

from stile import config
from stile import provision as provisioning
from stile.errors import ProvisionError


def provision(
    nats_url: Annotated[str, typer.Option(envvar="STILE_NATS_URL")] = "nats://127.0.0.1:4222",
    nkey_file: Annotated[
        Path | None, typer.Option(envvar="STILE_NATS_NKEY_FILE", help="The provisioner's seed.")
    ] = None,
    replicas: Annotated[
        int | None,
        typer.Option(
            envvar="STILE_NATS_REPLICAS",
            min=1,
            max=5,
            help="Servers that keep each stream, if not the plan's.",
        ),
    ] = None,
    streams: Annotated[Path | None, typer.Option(help="Default: nats/streams.json.")] = None,
) -> None:
    """Make the streams as nats/streams.json describes them; a change is shown before it is made."""
    if nkey_file is not None and not nkey_file.is_file():
        raise ProvisionError(f"STILE_NATS_NKEY_FILE={nkey_file}: no such file")
    plan = provisioning.read_plan(streams or config.find_root(config.load()).streams, replicas)
    asyncio.run(_provision(nats_url, nkey_file, plan))


async def _provision(url: str, seed: Path | None, plan: list[provisioning.Part]) -> None:
    client = await _connect(url, seed)
    try:
        await provisioning.apply(client, plan, typer.echo)
    finally:
        await client.close()


async def _connect(urls: str, seed: Path | None) -> Client:
    """Connect to the first of the servers that answers.

    Raises:
        ProvisionError: none does.
    """
    reasons: list[str] = []

    async def note(error: Exception) -> None:
        if str(error) not in reasons:
            reasons.append(str(error))

    try:
        return await nats.connect(
            [url.strip() for url in urls.split(",")],
            nkeys_seed=str(seed) if seed else None,
            inbox_prefix=provisioning.INBOX_PREFIX,
            allow_reconnect=False,
            # nats-py tries every server once more than this, by default for two minutes.
            max_reconnect_attempts=1,
            reconnect_time_wait=1,
            error_cb=note,
        )
    except (OSError, nats.errors.Error) as error:
        raise ProvisionError(f"no bus on {urls}: {'; '.join(reasons) or error}") from error
