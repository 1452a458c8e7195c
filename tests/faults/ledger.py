"""What was asked, and what its askers have learned."""

import time
from dataclasses import dataclass, field
from enum import StrEnum
from uuid import UUID

from stile_contracts.ids import keyed_id


class Way(StrEnum):
    """How a client asks."""

    HTTP = "http"
    NATS = "nats"


@dataclass
class Asked:
    """One request under its key, however often it was sent."""

    way: Way
    client: str
    """Its name on the bus."""
    key: str
    prompt: str
    sent: float = field(default_factory=time.time)
    """When it was first sent, in seconds since the epoch; so are all times here."""
    accepted: bool = False
    learned: list[tuple[str, str]] = field(default_factory=list)
    """Every final word that was heard: ``("answer", text)`` or ``("error", code)``."""
    ids: set[UUID] = field(default_factory=set)
    """Every id that was told; there must be the one."""
    streams: list[str] = field(default_factory=list)
    """The text of each stream; each connection begins a stream, and so does each ``started``."""
    ended: float | None = None

    @property
    def chat_id(self) -> UUID:
        """The id that client and key give."""
        return keyed_id(self.client, self.key)

    def accept(self, chat_id: str) -> None:
        """Note that it was said to be stored."""
        self.accepted = True
        self.ids.add(UUID(chat_id))

    def learn(self, kind: str, text: str, chat_id: str | None) -> None:
        """Note a final word."""
        self.learned.append((kind, text))
        if chat_id:
            self.ids.add(UUID(chat_id))
        self.ended = time.time()


@dataclass
class Ledger:
    """All requests of a phase.

    Args:
        name: begins every key.
    """

    name: str
    asked: list[Asked] = field(default_factory=list)
    silent_cuts: int = 0
    """Streams that ended properly, as HTTP goes, without a last word."""

    def ask(self, way: Way, client: str) -> Asked:
        """Enter a new request, under a key of its own."""
        key = f"{self.name}-{len(self.asked)}"
        self.asked.append(Asked(way, client, key, f"{client} asks {key}"))
        return self.asked[-1]

    def answered_after(self, moment: float, way: Way | None = None) -> float | None:
        """Return when the first request that was sent after ``moment`` had its answer."""
        ends = (
            entry.ended
            for entry in self.asked
            if entry.sent >= moment and entry.ended and way in {None, entry.way}
        )
        return min(ends, default=None)
