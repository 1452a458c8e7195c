"""`stile keys rotate-signing`: has another key sign approvals, while everything runs."""

from pathlib import Path
from typing import Annotated

import typer

from stile import signing_keys
from stile.settings import Settings, find_home


def rotate_signing(
    folder: Annotated[
        Path | None, typer.Option(help="Where signing.key lies. Default: credentials/ of STILE_HOME.")
    ] = None,
    revoke: Annotated[  # noqa: FBT002 -- typer's way to describe a flag
        bool,
        typer.Option("--revoke", help="The key so far is known to others: drop what it has signed, too."),
    ] = False,
) -> None:
    """Have a new key sign what the filter approves; nothing is restarted, and no request is dropped."""
    where = folder or find_home(Settings.load()).credentials
    key_id = signing_keys.rotate(where, revoke=revoke)
    typer.echo(f"Approvals are signed by {key_id} from now on: {signing_keys.seed_file(where)}")
    typer.echo(f"What the consumers believe: {signing_keys.public_file(where)}")
