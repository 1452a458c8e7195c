"""`stile dlq`: the requests that were given up (dead letters)."""

import asyncio
import sys
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from uuid import UUID

import typer

from stile.chat import screen
from stile.commands.options import NatsUrl
from stile.errors import DeadLetterError
from stile.home import find_home
from stile.keys import credentials
from stile.services import gateway
from stile.settings import Settings
from stile.shell import listing

if TYPE_CHECKING:
    from stile.nats.dead_letters import DeadLetter, DeadLetters

commands = typer.Typer(
    rich_markup_mode=None,
    help="Requests that were given up: begun too often, never finished. Kept for seven days.",
)

Seed = Annotated[
    Path | None,
    typer.Option(envvar="STILE_NATS_NKEY_FILE", help="The provisioner's seed; default: STILE_HOME's."),
]
Id = Annotated[UUID, typer.Argument(help="As `stile dlq list` shows it.")]


@commands.command("list")
def list_(
    *,
    nats_url: NatsUrl = None,
    nkey_file: Seed = None,
    as_json: listing.AsJson = False,
) -> None:
    """List the dead letters, the oldest first; no text of a conversation is shown."""
    facts = [letter.facts() for letter in asyncio.run(_all(nats_url, nkey_file))]
    listing.show(facts, as_json=as_json, empty="No dead letters.")


@commands.command()
def show(
    chat_id: Id,
    *,
    nats_url: NatsUrl = None,
    nkey_file: Seed = None,
    text: Annotated[bool, typer.Option("--text", help="The conversation, too.")] = False,
) -> None:
    """Show what is known of one."""
    letter = asyncio.run(_find(nats_url, nkey_file, chat_id))
    for name, value in letter.facts().items():
        typer.echo(f"{name}\t{value}")
    if text:
        typer.echo(letter.chat().model_dump_json(exclude_none=True, indent=2))


@commands.command()
def retry(  # noqa: PLR0913 -- one parameter an option
    chat_id: Id,
    *,
    nats_url: NatsUrl = None,
    nkey_file: Seed = None,
    url: Annotated[str | None, typer.Option(help="The gateway; default: the one of STILE_PORT.")] = None,
    keep_system: Annotated[
        bool,
        typer.Option(
            "--keep-system",
            help="A first system message is the client's own: the policy has none of its own.",
        ),
    ] = False,
    keep: Annotated[bool, typer.Option("--keep", help="Keep the dead letter.")] = False,
) -> None:
    """Ask the same again, as a new request over HTTP that the filter checks, and print the answer.

    The client of the first request gets nothing: that request has its result. After an answer the
    dead letter is deleted.
    """
    letter = asyncio.run(_find(nats_url, nkey_file, chat_id))
    settings = Settings.load()
    request = letter.request(keep_system=keep_system)
    typer.echo("Waiting for the answer …", err=True)
    answer = str(gateway.find(settings, url).ask(request)["response"])
    typer.echo(screen.fit(sys.stdout, answer))
    if not keep:
        asyncio.run(_drop(nats_url, nkey_file, [letter]))


@commands.command()
def drop(
    chat_ids: Annotated[list[UUID] | None, typer.Argument(help="As `stile dlq list` shows them.")] = None,
    *,
    nats_url: NatsUrl = None,
    nkey_file: Seed = None,
    every: Annotated[bool, typer.Option("--all", help="All that there are.")] = False,
) -> None:
    """Delete dead letters."""
    if bool(chat_ids) is every:
        raise DeadLetterError("name the dead letters to delete, or say --all")
    letters = asyncio.run(_all(nats_url, nkey_file)) if every else []
    letters += [asyncio.run(_find(nats_url, nkey_file, chat_id)) for chat_id in chat_ids or ()]
    asyncio.run(_drop(nats_url, nkey_file, letters))
    typer.echo(f"{len(letters)} deleted.")


@asynccontextmanager
async def _store(nats_url: str | None, nkey_file: Path | None) -> AsyncIterator["DeadLetters"]:
    from stile.nats import connection  # noqa: PLC0415 -- nats-py takes 0.2 s that `--help` need not pay
    from stile.nats.dead_letters import DeadLetters  # noqa: PLC0415

    settings = Settings.load()
    seed = nkey_file or credentials.seed_file(find_home(settings).credentials, connection.PROVISIONER)
    async with connection.connect(settings.login(seed, connection.PROVISIONER_INBOX, nats_url)) as client:
        yield DeadLetters(client.jetstream())


async def _all(nats_url: str | None, nkey_file: Path | None) -> "list[DeadLetter]":
    async with _store(nats_url, nkey_file) as store:
        return [letter async for letter in store.all()]


async def _find(nats_url: str | None, nkey_file: Path | None, chat_id: UUID) -> "DeadLetter":
    async with _store(nats_url, nkey_file) as store:
        return await store.find(chat_id)


async def _drop(nats_url: str | None, nkey_file: Path | None, letters: "Iterable[DeadLetter]") -> None:
    async with _store(nats_url, nkey_file) as store:
        for letter in letters:
            await store.drop(letter)
