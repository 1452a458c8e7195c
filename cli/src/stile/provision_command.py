"""`stile provision`: makes the streams on a bus that runs somewhere else (Docker, a cluster)."""

import asyncio
from pathlib import Path
from typing import Annotated

import nats
import typer

from stile import config
from stile import provision as provisioning
from stile.errors import ProvisionError


def provision(
    nats_url: Annotated[str, typer.Option(envvar="STILE_NATS_URL")] = "nats://127.0.0.1:4222",
    nkey_file: Annotated[
        Path | None, typer.Option(envvar="STILE_NATS_NKEY_FILE", help="The provisioner's seed.")
    ] = None,
    streams: Annotated[Path | None, typer.Option(help="Default: nats/streams.json.")] = None,
) -> None:
    """Make the streams as nats/streams.json describes them; a change is shown before it is made."""
    if nkey_file is not None and not nkey_file.is_file():
        raise ProvisionError(f"STILE_NATS_NKEY_FILE={nkey_file}: no such file")
    plan = provisioning.read_plan(streams or config.find_root(config.load()).streams)
    asyncio.run(_provision(nats_url, nkey_file, plan))


async def _provision(url: str, seed: Path | None, plan: list[provisioning.Part]) -> None:
    try:
        client = await nats.connect(
            url,
            nkeys_seed=str(seed) if seed else None,
            inbox_prefix=provisioning.INBOX_PREFIX,
            allow_reconnect=False,
        )
    except (OSError, nats.errors.Error) as error:
        raise ProvisionError(f"no bus on {url}: {error}") from error
    try:
        await provisioning.apply(client, plan, typer.echo)
    finally:
        await client.close()
