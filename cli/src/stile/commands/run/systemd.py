"""`stile systemd`: Stile as a service of systemd."""

import os
import pwd
import shutil
from pathlib import Path
from typing import Annotated

import typer

from stile.errors import StileError
from stile.home import find_home, find_root
from stile.services.policy import is_bundled
from stile.settings import Settings
from stile.supervise import systemd
from stile.supervise.programs import program
from stile_runtime.installation import files
from stile_runtime.variables import SettingsError

commands = typer.Typer(rich_markup_mode=None, help="Stile as a service of systemd.", no_args_is_help=True)


@commands.callback()
def _group() -> None:
    """Stile as a service of systemd."""


@commands.command()
def install(
    *,
    system: Annotated[
        bool, typer.Option("--system", help="A unit of the system, more locked in; needs root.")
    ] = False,
    user: Annotated[
        str | None, typer.Option(help="With --system: who runs it. Default: the user who called sudo.")
    ] = None,
    only_print: Annotated[bool, typer.Option("--print", help="Print the unit, and write nothing.")] = False,
    replace: Annotated[bool, typer.Option("--replace", help="Replace the unit that is there.")] = False,
) -> None:
    """Write a unit that starts Stile with the variables that are set now, and say how to start it.

    The file is stile.service of your own systemd, or of the system. Variables that hold a secret are
    left out.
    """
    settings = Settings.load()
    home, root = find_home(settings), find_root(settings)
    runs_it = (user or os.environ.get("SUDO_USER")) if system else None
    if system and (runs_it is None or runs_it == "root"):
        raise SettingsError("say with --user who runs it: not root, and the owner of STILE_HOME")
    if user and not system:
        raise SettingsError("--user goes with --system")
    text = systemd.unit(
        program=Path(program("stile")),
        home=home.folder,
        root=root.folder,
        user=runs_it,
        environ=os.environ,
        has_gpu=shutil.which("llama-server") is not None,
        folder=Path.cwd(),
        writable=_elsewhere(settings),
    )
    if only_print:
        typer.echo(text, nl=False)
        return
    file = systemd.place(is_of_user=not system)
    if file.exists() and not replace:
        raise StileError(f"{file} is there already: --replace replaces it, --print shows what it would be")
    try:
        _make_home(home.folder, runs_it)
        file.parent.mkdir(parents=True, exist_ok=True)
        files.replace(file, text, mode=0o644)
    except OSError as error:
        raise StileError(f"{file} cannot be written: {error.strerror}") from error
    control = "systemctl" if system else "systemctl --user"
    typer.echo(f"{file} is written. Now:\n\n  {control} daemon-reload\n  {control} enable --now stile")
    if not system:
        typer.echo("  loginctl enable-linger    # so that it runs when you are not logged in")
    typer.echo(
        f"\nIts log: {'journalctl' if system else 'journalctl --user'} -u stile -f, and `stile logs -f`."
    )


def _make_home(folder: Path, user: str | None) -> None:
    """Make the installation's folder if it is not there; root makes it for the user who runs Stile."""
    if folder.exists():
        return
    if user is not None:
        try:
            pwd.getpwnam(user)
        except KeyError:
            raise SettingsError(
                f"there is no user {user}: make it, or name another one with --user"
            ) from None
    folder.mkdir(mode=0o700, parents=True)
    if user is not None:
        shutil.chown(folder, user)


def _elsewhere(settings: Settings) -> list[Path]:
    """Return the folders that the parts write and that variables name: a file is replaced by a new one."""
    policy = settings.policy if settings.policy and not is_bundled(settings.policy) else None
    named = [policy, settings.api_keys if isinstance(settings.api_keys, Path) else None]
    folders = [settings.archive, *(file.absolute().parent for file in named if file)]
    return sorted({folder.absolute() for folder in folders if folder})
