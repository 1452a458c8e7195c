"""``/api/people`` and ``/api/keys``: the keys, what their clients have used, and changes of the keys."""

from dataclasses import asdict
from typing import Annotated

import structlog
from fastapi import APIRouter, Request
from pydantic import BaseModel, Field

from stile_console.history.records import DAYS, Use
from stile_console.http.dependencies import services_of
from stile_console.people import keys, sheet
from stile_console.people.keys import MOST_AT_ONCE, Limits
from stile_console.people.sheet import Ticket
from stile_contracts.subjects import Lane
from stile_runtime.api_keys import NAME

log = structlog.get_logger(__name__)

router = APIRouter(prefix="/api")

Name = Annotated[str, Field(pattern=f"^{NAME}$")]


class Used(BaseModel):
    """What a client has used."""

    requests: int = 0
    refused: int = 0
    tokens: int = 0


class Person(BaseModel):
    """A client: one that has a key, or one without."""

    client: str
    """Its name on the bus, as in the history."""
    name: str | None = None
    """Of its key; absent if it has none."""
    lane: Lane | None = None
    max_in_flight: int | None = None
    requests_per_minute: int | None = None
    owner: bool = False
    today: Used
    week: Used


class People(BaseModel):
    """All clients."""

    keys_are_needed: bool
    """Whether the gateway asks for a key."""
    address: str | None
    """Of the chat page, if it is known."""
    people: list[Person]


class NewKeys(BaseModel):
    """A key for each name."""

    names: list[str] = Field(min_length=1, max_length=MOST_AT_ONCE)
    limits: Limits = Limits()
    owner: bool = False
    address: Annotated[str, Field(max_length=200)]
    """Of the chat page, for the links."""


class Names(BaseModel):
    """Of keys."""

    names: list[Name] = Field(min_length=1)


@router.get("/people", response_model_exclude_none=True)
def people(request: Request) -> People:
    """Return all clients with what they have used."""
    services = services_of(request)
    known = keys.read(services.settings.key_file)
    today, week = services.records.use(1), services.records.use(DAYS)
    with_key = {key.client: key for key in known}
    described = [
        Person(
            client=key.client,
            today=_used(today, key.client),
            week=_used(week, key.client),
            **key.model_dump(include={"name", "lane", "max_in_flight", "requests_per_minute", "owner"}),
        )
        for key in known
    ]
    described += [
        Person(client=client, today=_used(today, client), week=_used(week, client))
        for client in sorted(week)
        if client not in with_key
    ]
    is_file_there = services.settings.key_file.exists()
    return People(
        keys_are_needed=services.settings.api_keys != "off" and is_file_there,
        address=services.settings.public_url,
        people=described,
    )


@router.post("/keys")
def add(request: Request, sent: NewKeys) -> list[Ticket]:
    """Make keys; each is in this answer and nowhere else."""
    address = sheet.checked_address(sent.address)
    made = keys.add(services_of(request).settings.key_file, sent.names, sent.limits, owner=sent.owner)
    log.info("keys_made", names=sent.names)
    return [sheet.ticket(name, key, address) for name, key in made]


@router.put("/keys/{name}", status_code=204)
def limit(request: Request, name: str, limits: Limits) -> None:
    """Give a key other limits."""
    keys.limit(services_of(request).settings.key_file, name, limits)
    log.info("key_limited", name=name, **limits.model_dump())


@router.post("/keys/revoke", status_code=204)
def revoke(request: Request, sent: Names) -> None:
    """Take keys back."""
    keys.revoke(services_of(request).settings.key_file, sent.names)
    log.info("keys_revoked", names=sent.names)


def _used(use: dict[str, Use], client: str) -> Used:
    return Used(**asdict(use.get(client, Use())))
