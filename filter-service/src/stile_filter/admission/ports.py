"""What the handlers need of the world around them."""

from contextlib import AbstractAsyncContextManager, AbstractContextManager
from typing import Protocol
from uuid import UUID

from stile_contracts.messages import ErrorReply, Reply
from stile_contracts.subjects import RequestAddress
from stile_filter.guard.decide import Decider, Verdict
from stile_filter.guard.policy import Policy, Rule
from stile_filter.queue.estimate import QueuePosition
from stile_filter.queue.positions import Subscription


class Queue(Protocol):
    """The requests that wait, and for how long: ``queue.positions.PositionNotifier``."""

    def claim(self, subject: str, client: str) -> float | None:
        """Take one of a client's places until ``release``; else return in how many seconds to try again."""
        ...

    def release(self, subject: str, client: str) -> None:
        """Give back what ``claim`` has taken."""
        ...

    def accepted(self, request: Subscription) -> QueuePosition:
        """Take in that CHAT holds a request, and return its position."""
        ...

    def position(self, subject: str) -> QueuePosition:
        """Return a request's position."""
        ...

    def retry_after(self) -> float:
        """Return in how many seconds a place in CHAT may be free."""
        ...


class Signer(Protocol):
    """Signs approvals."""

    @property
    def key_id(self) -> str | None:
        """Which key signs now; None if none does."""
        ...

    def answers_key(self) -> bytes:
        """Return the key of the hashes of answers."""
        ...

    def sign(self, subject: str, message_headers: dict[str, str], body: bytes) -> dict[str, str]:
        """Return the headers that an approval gets on top of ``message_headers``."""
        ...


class Guard(Protocol):
    """A policy, and the decider that judges by it: ``policies.guard.Guard``."""

    @property
    def policy(self) -> Policy:
        """The rules."""
        ...

    @property
    def decider(self) -> Decider:
        """Judges by them."""
        ...


class Guards(Protocol):
    """The policy in use: ``policies.live.LivePolicy``."""

    def lease(self) -> AbstractContextManager[Guard]:
        """Return the guard of one request, from its start to its end."""
        ...


class Archive(Protocol):
    """Keeps requests for the owner, if the policy says so: ``policies.archive.Archive``."""

    def keep(self, policy: Policy, client: str, chat_id: UUID, body: bytes, verdict: Verdict) -> None:
        """Keep a request that was judged. Never raises, and never waits."""
        ...


class Log(Protocol):
    """The log of what happened: ``requests.chat_log.ChatLog``."""

    async def write(
        self,
        address: RequestAddress,
        outcome: str,
        *,
        attempt: int = 0,
        if_missing: bool = False,
        **facts: str | int | None,
    ) -> None:
        """Write the record of a request that has ended. Never raises, and waits for no confirmation."""
        ...

    def failures_of(self, address: RequestAddress) -> AbstractAsyncContextManager[None]:
        """Write the record of a request that ends in the block by an error."""
        ...

    async def write_stored(self, address: RequestAddress, outcome: Reply | ErrorReply) -> None:
        """Write the record of a request that has this result, unless it has a record."""
        ...


class Observer(Protocol):
    """Counts how requests end."""

    def refused(self, rule: Rule) -> None:
        """Count a request that a rule has refused."""
        ...

    def own_answers(self, count: int) -> None:
        """Count answers of Stile's own that came back and were not judged again."""
        ...

    def ended(self, outcome: str, seconds: float) -> None:
        """Count a request that ended as ``outcome`` after ``seconds``."""
        ...
