"""Makes the streams and consumers on the bus as ``nats/streams.json`` says; the only writer of them.

Idempotent: what is as it should be is left alone, and what differs is reported, field by field, before
it is changed. Fields that the file does not name are the server's to choose. A durable consumer that stands
in the way of those that the workers make is taken away, and that is shown too.
"""

import dataclasses
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from nats.aio.client import Client
from nats.js import JetStreamContext
from nats.js.api import (
    AckPolicy,
    ConsumerConfig,
    ConsumerInfo,
    DiscardPolicy,
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
    "ack_policy": AckPolicy,
}


class Part(Protocol):
    """A stream or a consumer that should be on the bus."""

    @property
    def label(self) -> str:
        """Its name, for people."""

    @property
    def fields(self) -> dict[str, Any]:
        """The fields that the plan names, with their values."""

    async def present(self, js: JetStreamContext) -> StreamConfig | ConsumerConfig:
        """Return what is there; raises ``NotFoundError`` where nothing is."""

    async def create(self, js: JetStreamContext) -> None:
        """Make it."""

    async def update(self, js: JetStreamContext, present: Any) -> None:  # noqa: ANN401 -- what its own `present` gave
        """Change what is there."""


@dataclass(frozen=True)
class Stream:
    """A stream of the plan."""

    fields: dict[str, Any]

    @property
    def label(self) -> str:
        """The stream's name."""
        return str(self.fields["name"])

    async def present(self, js: JetStreamContext) -> StreamConfig:
        """Return the stream's configuration on the server."""
        return (await js.stream_info(self.label)).config

    async def create(self, js: JetStreamContext) -> None:
        """Make the stream."""
        await js.add_stream(StreamConfig(**self.fields))

    async def update(self, js: JetStreamContext, present: StreamConfig) -> None:
        """Change the named fields, and no others."""
        await js.update_stream(dataclasses.replace(present, **self.fields))


@dataclass(frozen=True)
class Consumer:
    """A durable consumer of the plan."""

    stream: str
    fields: dict[str, Any]

    @property
    def label(self) -> str:
        """The consumer's name behind its stream's."""
        return f"{self.stream}/{self.fields['durable_name']}"

    async def present(self, js: JetStreamContext) -> ConsumerConfig:
        """Return the consumer's configuration on the server."""
        info = await js.consumer_info(self.stream, self.fields["durable_name"])
        config: ConsumerConfig = info.config
        return config

    async def create(self, js: JetStreamContext) -> None:
        """Make the consumer."""
        await js.add_consumer(self.stream, ConsumerConfig(**self.fields))

    async def update(self, js: JetStreamContext, present: ConsumerConfig) -> None:
        """Change the named fields, and no others."""
        await js.add_consumer(self.stream, dataclasses.replace(present, **self.fields))


def read_plan(path: Path, replicas: int | None = None) -> list[Part]:
    """Read which streams and consumers should be there.

    Args:
        path: the plan.
        replicas: servers that keep each stream, in place of what the plan says.

    Raises:
        ProvisionError: the file is missing or is no plan.
    """
    try:
        described = json.loads(path.read_text())
        streams = [Stream(_fields(entry)) for entry in described["streams"]]
        consumers = [Consumer(entry.pop("stream"), _fields(entry)) for entry in described["consumers"]]
    except (OSError, ValueError, KeyError) as error:
        raise ProvisionError(f"{path}: {error}") from error
    if replicas is not None:
        for stream in streams:
            stream.fields["num_replicas"] = replicas
    return [*streams, *consumers]


async def apply(client: Client, plan: list[Part], show: Callable[[str], None]) -> None:
    """Make the bus as ``plan`` says, telling each step to ``show`` before it is taken.

    Raises:
        ProvisionError: the server refuses a step.
    """
    js = client.jetstream()
    for part in plan:
        try:
            try:
                present = await part.present(js)
            except NotFoundError:
                show(f"{part.label}: making it")
                await part.create(js)
                continue
            changes = {
                name: getattr(present, name)
                for name, wanted in part.fields.items()
                if getattr(present, name) != wanted
            }
            for name, is_now in changes.items():
                show(f"{part.label}: {name} is {is_now}, will be {part.fields[name]}")
            if changes:
                await part.update(js, present)
        except APIError as error:
            raise ProvisionError(f"{part.label}: nats-server refuses it: {error.description}") from error
    known = {part.label for part in plan}
    for stream in plan:
        if isinstance(stream, Stream):
            await _remove_strangers(js, stream.label, known, show)


async def _remove_strangers(
    js: JetStreamContext, stream: str, known: set[str], show: Callable[[str], None]
) -> None:
    """Remove the durable consumers that would stay for ever and that the plan does not know.

    Those that the workers make are forgotten by themselves (``inactive_threshold``). One of an earlier
    version, whose filter overlaps theirs, would have a work queue refuse them (10100).

    Raises:
        ProvisionError: the server refuses it.
    """
    try:
        there = [info async for info in _consumers(js, stream)]
        for info in there:
            label = f"{stream}/{info.name}"
            if info.config.durable_name and not info.config.inactive_threshold and label not in known:
                show(f"{label}: the plan does not know it, removing it")
                await js.delete_consumer(stream, info.name)
    except APIError as error:
        raise ProvisionError(f"{stream}: nats-server refuses it: {error.description}") from error


async def _consumers(js: JetStreamContext, stream: str) -> AsyncIterator[ConsumerInfo]:
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
