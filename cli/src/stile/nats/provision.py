"""Makes the streams on the bus as ``nats/streams.json`` describes them; nothing else changes them.

It is idempotent: a stream that is as described is left alone, and each field that differs is shown
before it is changed. The server chooses the fields that the file does not name. A durable that is in
the way of the workers' own is removed, and that is shown too.
"""

import dataclasses
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nats.aio.client import Client
from nats.js import JetStreamContext
from nats.js.api import (
    ConsumerInfo,
    DiscardPolicy,
    PersistMode,
    RetentionPolicy,
    StorageType,
    StreamConfig,
)
from nats.js.errors import APIError, NotFoundError

from stile.errors import ProvisionError

_KINDS: dict[str, Callable[[str], object]] = {
    "retention": RetentionPolicy,
    "storage": StorageType,
    "discard": DiscardPolicy,
    "persist_mode": PersistMode,
}


@dataclass(frozen=True)
class Stream:
    """A stream of the plan."""

    fields: dict[str, Any]
    """The fields that the plan names, with their values."""

    @property
    def name(self) -> str:
        """The stream's name."""
        return str(self.fields["name"])


def read_plan(path: Path, replicas: int | None = None) -> list[Stream]:
    """Read which streams should be there.

    Args:
        path: the plan.
        replicas: servers that keep each stream, instead of the plan's number. A stream that is written
            without waiting for the disk has one in any case: nats-server does not replicate it.

    Raises:
        ProvisionError: the file is missing or is no plan.
    """
    try:
        streams = [Stream(_fields(entry)) for entry in json.loads(path.read_text())["streams"]]
    except (OSError, ValueError, KeyError) as error:
        raise ProvisionError(f"{path}: {error}") from error
    if replicas is not None:
        for stream in streams:
            if stream.fields.get("persist_mode") is not PersistMode.ASYNC:
                stream.fields["num_replicas"] = replicas
    return streams


async def apply(client: Client, plan: list[Stream], show: Callable[[str], None]) -> None:
    """Make the streams of ``plan``; ``show`` gets each step before it is taken.

    Raises:
        ProvisionError: the server refuses a step.
    """
    js = client.jetstream()
    for stream in plan:
        try:
            await _apply_stream(js, stream, show)
            await _remove_durables(js, stream.name, show)
        except APIError as error:
            raise ProvisionError(f"{stream.name}: nats-server refuses it: {error.description}") from error


async def _apply_stream(js: JetStreamContext, stream: Stream, show: Callable[[str], None]) -> None:
    try:
        present = (await js.stream_info(stream.name)).config
    except NotFoundError:
        show(f"{stream.name}: making it")
        await js.add_stream(StreamConfig(**stream.fields))
        return
    changes = {
        name: getattr(present, name)
        for name, wanted in stream.fields.items()
        if getattr(present, name) != wanted
    }
    for name, is_now in changes.items():
        show(f"{stream.name}: {name} is {is_now}, will be {stream.fields[name]}")
    if changes:
        await js.update_stream(dataclasses.replace(present, **stream.fields))


async def _remove_durables(js: JetStreamContext, stream: str, show: Callable[[str], None]) -> None:
    """Remove the durables that would stay for ever; no part of this version makes one.

    The server itself removes the workers' durables when they are not used (``inactive_threshold``).
    A durable of an earlier version, whose filter overlaps theirs, would have a work queue refuse
    them (error 10100).
    """
    for info in [info async for info in _durables(js, stream)]:
        if info.config.durable_name and not info.config.inactive_threshold:
            show(f"{stream}/{info.name}: the plan does not know it, removing it")
            await js.delete_consumer(stream, info.name)


async def _durables(js: JetStreamContext, stream: str) -> AsyncIterator[ConsumerInfo]:
    """Yield every consumer of ``stream``; the server lists them page by page."""
    offset = 0
    while page := await js.consumers_info(stream, offset):
        for info in page:
            yield info
        offset += len(page)


def _fields(entry: dict[str, Any]) -> dict[str, Any]:
    """Turn a JSON entry into fields of nats-py's configuration; ``…_seconds`` names its unit."""
    return {
        name.removesuffix("_seconds"): _KINDS[name](value) if name in _KINDS else value
        for name, value in entry.items()
    }
