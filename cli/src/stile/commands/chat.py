"""`stile chat`: asks one question over HTTP."""

from typing import Annotated

import typer

from stile.gateway import ask
from stile.settings import Settings
from stile.supervise.terminal import Terminal


def chat(
    prompt: Annotated[str, typer.Argument(help="What to ask.")],
    url: Annotated[str | None, typer.Option(help="The gateway; default: the one of STILE_PORT.")] = None,
) -> None:
    """Ask one question and print the answer."""
    settings = Settings.load()
    with Terminal(stderr=True).waiting("Waiting for the answer …"):
        reply = ask(url or settings.url, {"prompt": prompt}, settings.api_key)
    typer.echo(reply["response"])
