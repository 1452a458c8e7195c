"""`stile provision`: makes the streams on a bus that runs somewhere else (Docker, a cluster)."""

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stile.home import find_root
from stile.settings import Settings

if TYPE_CHECKING:
    from stile.nats.provision import Stream


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
    from stile.nats import provision as provisioning  # noqa: PLC0415 -- nats-py takes 0.2 s that `--help` need not pay

    settings = Settings.load()
    plan = provisioning.read_plan(streams or find_root(settings).streams, replicas)
    asyncio.run(_provision(settings, nats_url, nkey_file, plan))


async def _provision(settings: Settings, url: str, seed: Path | None, plan: "list[Stream]") -> None:
    from stile.nats import connection  # noqa: PLC0415
    from stile.nats import provision as provisioning  # noqa: PLC0415

    async with connection.connect(settings.login(seed, connection.PROVISIONER_INBOX, url)) as client:
        await provisioning.apply(client, plan, typer.echo)
