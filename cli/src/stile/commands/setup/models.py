"""`stile models`: which models there are, and their weights."""

from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from stile.home import find_root
from stile.models.catalogue import Catalogue
from stile.settings import Settings

commands = typer.Typer(help="Which models there are, and their weights.")

Name = Annotated[str, typer.Argument(help="A name that `stile models list` shows.")]


@commands.command("list")
def list_() -> None:
    """List the models of models/models.toml, and which are here."""
    catalogue = _catalogue()
    table = Table(box=None)
    for heading in ("name", "size", "context", "licence", ""):
        table.add_column(heading, justify="right" if heading in ("size", "context") else "left")
    for model in catalogue.models:
        notes = ["here"] if catalogue.is_here(model) else []
        notes += ["recommended"] if model.recommended else []
        size = f"{model.size / 1e6:.0f} MB"
        table.add_row(model.name, size, str(model.context), model.licence, ", ".join(notes))
    Console(highlight=False).print(table)


@commands.command()
def pull(name: Name) -> None:
    """Fetch a model's weights, taking up an interrupted download, and check them."""
    from stile.models import download  # noqa: PLC0415 -- huggingface_hub takes half a second that no other command needs

    catalogue = _catalogue()
    place = download.pull(catalogue, catalogue.find(name), lambda text: typer.echo(text, err=True))
    typer.echo(place)


@commands.command()
def path(name: Name) -> None:
    """Print the path of a model's weights."""
    typer.echo(_catalogue().path(name))


def _catalogue() -> Catalogue:
    return Catalogue(find_root(Settings.load()))
