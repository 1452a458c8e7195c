"""`stile backup` and `stile restore`: what an installation cannot make anew, in one file."""

from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Annotated

import typer

from stile import backup as backups
from stile.errors import BackupError
from stile.home import Home, find_home
from stile.services import policy
from stile.settings import Settings
from stile.supervise import lock


def backup(
    file: Annotated[Path, typer.Argument(metavar="FILE.tar.gz", help="A new file, with the mode 0600.")],
    *,
    data: Annotated[
        bool,
        typer.Option("--data", help="The queue, results and logs of requests, too; Stile must be stopped."),
    ] = False,
) -> None:
    """Write keys, secrets, clients, API keys, policy and archive into one file.

    It can be written while Stile runs. Anyone who has the file can act as this installation.
    """
    settings = Settings.load()
    home = find_home(settings)
    with _stopped(home, "nats-server writes into its files") if data else nullcontext():
        count = backups.write(home, file, with_data=data)
    typer.echo(f"{file}: {count} files of {home.folder}. It holds secrets.", err=True)
    api_keys = settings.api_keys if isinstance(settings.api_keys, Path) else None
    own_policy = settings.policy if settings.policy and not policy.is_bundled(settings.policy) else None
    for path in backups.outside(home, (api_keys, own_policy, settings.archive)):
        typer.echo(f"Not in it, because it is in another place: {path}", err=True)


def restore(
    file: Annotated[Path, typer.Argument(metavar="FILE.tar.gz", help="What `stile backup` has written.")],
    *,
    replace: Annotated[
        bool, typer.Option("--replace", help="Move aside what is there, instead of refusing.")
    ] = False,
) -> None:
    """Put a backup into STILE_HOME; Stile must be stopped."""
    home = find_home(Settings.load())
    with _stopped(home, "its files would change under it"):
        aside = backups.read(home, file, replace=replace)
    typer.echo(f"{file} is restored in {home.folder}.", err=True)
    if aside is not None:
        typer.echo(f"What was there before is in {aside}.", err=True)


def _stopped(home: Home, why: str) -> AbstractContextManager[None]:
    """Keep Stile from being started during the block; BackupError if it runs."""
    return lock.held(home, BackupError(f"Stile runs in {home.folder}, and {why}: `stile down` first"))
