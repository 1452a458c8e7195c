"""The options that these commands share."""

import re
from pathlib import Path
from typing import Annotated

import typer

Seed = Annotated[
    Path | None,
    typer.Option(envvar="STILE_NATS_NKEY_FILE", help="The console's seed; default: STILE_HOME's."),
]

_PERIOD = re.compile(r"([0-9]{1,4})([mhdw])")
_SECONDS = {"m": 60, "h": 3600, "d": 86_400, "w": 604_800}


def period(text: str) -> int:
    """Read a period, such as ``90m``, ``12h``, ``7d`` or ``2w``, in seconds."""
    found = _PERIOD.fullmatch(text)
    if found is None:
        raise typer.BadParameter("use a number with m, h, d or w, for example 12h or 7d")
    return int(found[1]) * _SECONDS[found[2]]
