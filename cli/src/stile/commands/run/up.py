"""`stile up`: starts every part, and stops them all when it ends."""

from typing import Annotated

import typer


def up(
    *,
    detach: Annotated[
        bool, typer.Option("--detach", "-d", help="In the background, once it is ready.")
    ] = False,
    is_detached: Annotated[bool, typer.Option("--detached", hidden=True)] = False,
) -> None:
    """Start everything: nats-server, llama.cpp, the filter, the consumer, the gateway and the console.

    It runs in the foreground; Ctrl-C stops everything, a second one kills it. With -d it runs in the
    background: `stile logs -f` shows what it does, `stile down` stops it.
    """
    from stile.home import find_home, find_root  # noqa: PLC0415 -- `stile up --help` needs nothing of all this
    from stile.settings import Settings  # noqa: PLC0415

    settings = Settings.load()
    root, home = find_root(settings), find_home(settings)
    if detach:
        from stile.supervise import background  # noqa: PLC0415

        background.start(home)
        return
    from stile.supervise.launch import launch  # noqa: PLC0415
    from stile.supervise.terminal import Terminal  # noqa: PLC0415

    launch(settings, root, home, Terminal(shows_parts=not is_detached), is_detached=is_detached)
