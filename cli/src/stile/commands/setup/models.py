"""`stile models`: which models there are, and their weights."""

from typing import Annotated

import typer

from stile.home import find_root
from stile.models.catalogue import Catalogue
from stile.settings import Settings
from stile.shell import listing

commands = typer.Typer(
    rich_markup_mode=None,
    help="Which models there are, and their weights.",
)

Name = Annotated[str, typer.Argument(help="A name that `stile models list` shows.")]


@commands.command("list")
def list_(*, as_json: listing.AsJson = False) -> None:
    """List the models of models/models.toml, and which are here."""
    catalogue = _catalogue()
    rows: list[listing.Row] = [
        {
            "name": model.name,
            "MB": round(model.size / 1e6),
            "context": model.context,
            "licence": model.licence,
            "here": catalogue.is_here(model),
            "recommended": model.recommended,
        }
        for model in catalogue.models
    ]
    listing.show(rows, as_json=as_json, empty="models/models.toml names no model.")


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
