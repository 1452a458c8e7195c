"""`stile top`: who is answered and who waits, live."""

import asyncio
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stile.commands.options import NatsUrl
from stile.commands.owner.options import Seed
from stile.nats import console
from stile.shell import listing
from stile_contracts.messages import QueuedRequest, QueueListing

if TYPE_CHECKING:
    from rich.text import Text

REFRESH_SECONDS = 1.0


def top(
    *,
    once: Annotated[bool, typer.Option("--once", help="Show it once, and end.")] = False,
    as_json: listing.AsJson = False,
    nats_url: NatsUrl = None,
    nkey_file: Seed = None,
) -> None:
    """Show who is answered and who waits, again each second until Ctrl-C.

    If the output is not a terminal, it is shown once.
    """
    try:
        asyncio.run(
            _top(nats_url, nkey_file, once=once or as_json or not sys.stdout.isatty(), as_json=as_json)
        )
    except KeyboardInterrupt:
        raise typer.Exit from None


async def _top(nats_url: str | None, nkey_file: Path | None, *, once: bool, as_json: bool) -> None:
    async with console.connect(nats_url, nkey_file) as asked:
        queue = await asked.queue()
        if as_json:
            typer.echo(json.dumps(queue.model_dump(mode="json"), indent=2))
        elif once:
            listing.show(rows(queue), as_json=False, empty=_summary(queue))
        else:
            from rich.console import Console  # noqa: PLC0415 -- rich takes a tenth of a second
            from rich.live import Live  # noqa: PLC0415

            with Live(_screen(queue), console=Console(highlight=False), auto_refresh=False) as live:
                while True:
                    await asyncio.sleep(REFRESH_SECONDS)
                    live.update(_screen(await asked.queue()), refresh=True)


def rows(queue: QueueListing) -> list[listing.Row]:
    """Make a row for each request: those that are answered first, then those that wait, in their order."""
    return [
        *(_row("answered", request) for request in queue.running),
        *(_row("waiting", request) for request in queue.waiting),
    ]


def _row(state: str, request: QueuedRequest) -> listing.Row:
    return {
        "state": state,
        "position": request.position,
        "client": request.client,
        "lane": request.lane.value,
        "model": request.model,
        "seconds": request.seconds,
        "starts_in": request.estimate_seconds,
        "id": str(request.id),
    }


def _summary(queue: QueueListing) -> str:
    held = "The queue is on hold: `stile resume` ends it. " if queue.held else ""
    return f"{held}{len(queue.running)} answered now, {queue.waiting_count} waiting."


def _screen(queue: QueueListing) -> "Text":
    from rich.text import Text  # noqa: PLC0415

    screen = Text(_summary(queue), style="bold red" if queue.held else "bold")
    shown = rows(queue)
    return screen.append(f"\n{listing.table(shown)}", style="not bold default") if shown else screen
