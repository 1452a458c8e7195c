"""`stile console`: prints a link that opens the console."""

import typer

from stile.errors import StileError
from stile.home import find_home
from stile.services import console as owner_console
from stile.settings import Settings
from stile.supervise.parts import CONSOLE_PORT
from stile_runtime.installation import state


def console() -> None:
    """Print a link that opens the console; it works once, within a day."""
    settings = Settings.load()
    home = find_home(settings)
    running = state.read(home.state)
    if running is not None and running.port("console") is None:
        raise StileError("no console runs here: `stile up` was started with STILE_CONSOLE=off")
    port = (running.port("console") if running else None) or settings.console_port or CONSOLE_PORT
    typer.echo(owner_console.link(settings.console_host, port, home.console_tokens))
