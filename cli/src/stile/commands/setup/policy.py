"""`stile policy`: changes, checks and tests the policy; the filter's own commands do the work."""

from typing import Annotated

import typer

from stile.home import find_home
from stile.services import policy
from stile.settings import Settings

commands = typer.Typer(
    rich_markup_mode=None,
    help="What may reach the model: change it, check it, test it.",
    no_args_is_help=True,
)

_PASSED_ON = {
    "allow_extra_args": True,
    "ignore_unknown_options": True,
    "help_option_names": [],
}
"""The filter's command reads the arguments, ``--help`` too."""


@commands.command()
def init() -> None:
    """Copy the policy that comes with Stile into STILE_HOME; `stile up` uses the copy from then on."""
    settings = Settings.load()
    home = find_home(settings)
    _run("init", str(home.policy))


@commands.command(context_settings=_PASSED_ON)
def check(context: typer.Context) -> None:
    """[FILE]: read it, start its scanners, run its tests."""
    _run("check", *context.args)


@commands.command(context_settings=_PASSED_ON)
def test(context: typer.Context) -> None:
    """TEXT…: show what each rule says; --file, --role, --policy, --json."""
    _run("test", *context.args)


@commands.command(context_settings=_PASSED_ON)
def diff(context: typer.Context) -> None:
    """[A] B: say in words how B differs from A, or from the policy in use."""
    _run("diff", *context.args)


@commands.command(context_settings=_PASSED_ON)
def replay(context: typer.Context) -> None:
    """Say what a policy would have done with the archive: --key, --since, --policy, --show."""
    _run("replay", *context.args)


@commands.command("archive-key")
def archive_key(
    file: Annotated[
        str | None, typer.Argument(help="For the private key. Default: archive.key in STILE_HOME.")
    ] = None,
) -> None:
    """Make the archive's pair of keys; the policy gets the public one."""
    home = find_home(Settings.load())
    home.folder.mkdir(parents=True, exist_ok=True)
    _run("archive-key", file or str(home.archive_key))


def _run(*arguments: str) -> None:
    settings = Settings.load()
    raise typer.Exit(policy.run(settings, find_home(settings), arguments))
