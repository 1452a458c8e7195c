"""`stile models`: which models there are, and their weights."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from stile.errors import ModelError
from stile.home import find_home, find_root
from stile.models import gguf, memory
from stile.models.catalogue import Catalogue
from stile.models.gguf import Header
from stile.models.library import Library
from stile.settings import Settings
from stile.shell import listing

commands = typer.Typer(
    rich_markup_mode=None,
    help="Which models there are, and their weights.",
)

Name = Annotated[str, typer.Argument(help="A name that `stile models list` shows.")]
_DIGITS = 64


@commands.command("list")
def list_(*, as_json: listing.AsJson = False) -> None:
    """List the models of models/models.toml, other files beside them, and Ollama's.

    The memory is that of the weights and a conversation of STILE_CONTEXT tokens, without the prompt cache.
    """
    settings = Settings.load()
    catalogue = Catalogue(find_root(settings))
    rows = [
        _row(
            settings,
            Header(model.name, model.licence, model.context, model.kv_bytes),
            model.size,
            {"source": "list", "here": catalogue.is_here(model), "recommended": model.recommended},
            model.use,
        )
        for model in catalogue.models
    ]
    for other in Library(catalogue).others():
        try:
            header, size = gguf.read(other.path), other.path.stat().st_size
        except (ModelError, OSError):
            continue  # a file that is no model, or is just being removed
        where: listing.Row = {"source": other.source, "here": True, "recommended": False}
        rows.append(_row(settings, replace(header, name=other.name), size, where, ""))
    listing.show(rows, as_json=as_json, empty="There is no model.")


@commands.command()
def pull(
    name: Annotated[
        str, typer.Argument(help="A name that `stile models list` shows, or the address of a GGUF file.")
    ],
    *,
    sha256: Annotated[
        str | None,
        typer.Option("--sha256", help="The file's checksum, for an address: its page on the hub shows it."),
    ] = None,
) -> None:
    """Fetch a model's weights, taking up an interrupted download, and check them."""
    from stile.models import download  # noqa: PLC0415 -- huggingface_hub takes half a second that no other command needs

    catalogue = _catalogue()
    if not name.startswith(("http://", "https://")):
        place = download.pull(catalogue, catalogue.find(name), _say)
    elif sha256 is None:
        raise ModelError("an address needs --sha256: the page of the file on its hub shows the checksum")
    elif len(sha256) != _DIGITS or not set(sha256.lower()) <= set("0123456789abcdef"):
        raise ModelError(f"--sha256 should be {_DIGITS} digits of base 16")
    else:
        place = download.pull_url(catalogue, name, sha256.lower(), _say)
    typer.echo(place)


@commands.command()
def path(name: Name) -> None:
    """Print the path of a model's weights."""
    typer.echo(Library(_catalogue()).weights(name).path)


@commands.command()
def rm(name: Name) -> None:
    """Remove a model's weights from the models' folder, and what is left of its downloads."""
    from stile.models import removal  # noqa: PLC0415 -- seldom needed

    settings = Settings.load()
    removed = removal.remove(Catalogue(find_root(settings)), name, find_home(settings))
    typer.echo(f"Removed {removed}.")


@commands.command()
def variables(
    name: Name,
    *,
    folder: Annotated[
        Path | None, typer.Option(help="The models' folder as llama.cpp sees it, in its container.")
    ] = None,
    limit: Annotated[
        str | None, typer.Option("--memory", help="The memory that llama.cpp may have: 3g, 512m, or bytes.")
    ] = None,
) -> None:
    """Print llama.cpp's own variables for a model, a line each: its file, its name, its prompt cache."""
    settings = Settings.load()
    weights = Library(Catalogue(find_root(settings))).weights(name, settings.model_name)
    needed = memory.needed(weights.size, weights.kv_bytes, settings.context)
    size = settings.prompt_cache
    if size is None:
        size = (
            memory.cache_mib(memory.free(), needed)
            if limit is None
            else memory.cache_mib_within(memory.of_units(limit), needed)
        )
    typer.echo(f"LLAMA_ARG_MODEL={folder / weights.path.name if folder else weights.path}")
    typer.echo(f"LLAMA_ARG_ALIAS={weights.name}")
    typer.echo(f"LLAMA_ARG_CACHE_RAM={size}")


def _row(settings: Settings, header: Header, size: int, where: listing.Row, use: str) -> listing.Row:
    needed = memory.needed(size, header.kv_bytes, settings.context)
    return {
        "name": header.name,
        "MB": round(size / 1e6),
        "memory_MB": round(needed / 1e6),
        "KB_a_token": None if header.kv_bytes is None else round(header.kv_bytes / 1000),
        "context": header.context,
        "licence": header.licence,
        **where,
        "use": use,
    }


def _say(text: str) -> None:
    typer.echo(text, err=True)


def _catalogue() -> Catalogue:
    return Catalogue(find_root(Settings.load()))
