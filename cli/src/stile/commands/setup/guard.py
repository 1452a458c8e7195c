"""`stile guard`: which layers of the filter are on, and the models of its classifiers."""

from typing import Annotated

import typer

from stile.errors import ModelError, StileError
from stile.home import find_home, find_root
from stile.models.classifiers import Classifiers
from stile.services import guard
from stile.settings import Settings
from stile.shell import listing
from stile.supervise import parts
from stile_runtime.installation import state

commands = typer.Typer(
    rich_markup_mode=None, help="Which layers of the filter are on, and the models of its classifiers."
)

Names = Annotated[
    list[str] | None, typer.Argument(help="Names that `stile guard status` shows; by default, all free ones.")
]
Accepted = Annotated[
    bool, typer.Option("--accept-licence", help="You have read the model's licence and accept it.")
]


@commands.command()
def pull(names: Names = None, accept_licence: Accepted = False) -> None:  # noqa: FBT002 -- typer's way to describe a flag
    """Download the classifiers' models, and check them; an interrupted download is resumed.

    The scanners of these models are on when the filter starts the next time.
    """
    from stile.models import download  # noqa: PLC0415 -- huggingface_hub takes half a second that no other command needs

    classifiers = Classifiers(find_root(Settings.load()))
    wanted = [classifiers.find(name) for name in names or ()]
    for classifier in wanted:
        if classifier.terms and not accept_licence:
            raise ModelError(
                f"{classifier.name} is under the {classifier.licence}: read {classifier.terms}, "
                "then repeat the command with --accept-licence"
            )
    for classifier in wanted or [entry for entry in classifiers.all if entry.terms is None]:
        typer.echo(download.pull_classifier(classifiers, classifier, lambda text: typer.echo(text, err=True)))


@commands.command()
def status() -> None:
    """Show which classifiers are downloaded, and which layers of a running filter are on."""
    settings = Settings.load()
    classifiers = Classifiers(find_root(settings))
    rows: list[listing.Row] = [
        {
            "name": entry.name,
            "scanner": entry.rule,
            "MB": round(entry.size / 1e6),
            "licence": entry.licence,
            "here": classifiers.is_here(entry),
        }
        for entry in classifiers.all
    ]
    listing.show(rows, as_json=False, empty="models/models.toml names no classifier.")
    running = state.read(find_home(settings).state)
    port = running.port("filter-service") if running else None
    if port is None:
        typer.echo("The filter is not running here.", err=True)
        return
    layers = guard.layers(parts.filter_url(port))
    if layers is None:
        raise StileError("the filter is not ready; `stile status` and its log say more")
    typer.echo("\n".join(layers))
