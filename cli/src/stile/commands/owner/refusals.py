"""`stile refusals`: what was refused, and by which rule."""

import asyncio
import time
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from stile.commands.options import NatsUrl
from stile.commands.owner.options import Seed, period
from stile.nats import console
from stile.shell import listing
from stile_contracts.messages import LogRecord

REFUSED = "refused"


def refusals(  # noqa: PLR0913 -- one parameter an option
    *,
    client: Annotated[str | None, typer.Option(help="Only this client's.")] = None,
    rule: Annotated[str | None, typer.Option(help="Only those of this rule.")] = None,
    since: Annotated[str, typer.Option(help="How far back: 90m, 12h, 7d, 4w.")] = "1d",
    as_json: listing.AsJson = False,
    nats_url: NatsUrl = None,
    nkey_file: Seed = None,
) -> None:
    """List the refused requests and answers, the oldest first; no text of them is shown.

    The log keeps them for 30 days. It is written without waiting for the disk, so a few of the last
    may be missing after a crash.
    """
    found = asyncio.run(_records(nats_url, nkey_file, client, period(since)))
    rows = [_row(record) for record in found if rule in (None, record.rule)]
    listing.show(rows, as_json=as_json, empty="Nothing was refused in this time.")


async def _records(
    nats_url: str | None, nkey_file: Path | None, client: str | None, seconds: int
) -> list[LogRecord]:
    since_ms = int((time.time() - seconds) * 1000)
    async with console.connect(nats_url, nkey_file) as asked:
        return [record async for record in asked.records(since_ms, client) if record.outcome == REFUSED]


def _row(record: LogRecord) -> listing.Row:
    at = datetime.fromtimestamp(record.at_ms / 1000).astimezone()
    return {
        "at": at.isoformat(timespec="seconds"),
        "client": record.client,
        "rule": record.rule,
        "place": record.place,
        "view": record.view,
        "model": record.model,
        "id": str(record.id),
    }
