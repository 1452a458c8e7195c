"""The log of what happened: ``docs/protocol.md``, "The log", is its text."""

import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping

import nats.errors
import structlog
from pydantic import ValidationError

from stile_contracts import headers, subjects
from stile_contracts.errors import ErrorCode
from stile_contracts.messages import ErrorReply, LogRecord, Reply
from stile_contracts.subjects import RequestAddress
from stile_filter.errors import BusError, RequestError
from stile_filter.transport.reply import to_json

BURST = 1000
"""So many records of one client are written at once."""

SECONDS_A_RECORD = 2.0
"""After that, one in so many seconds: 17 MB a day of the log's 128 MiB, at 400 bytes each. Otherwise one
client could drive out everybody's records with requests that fail at once."""

_OF_ANOTHER = frozenset({ErrorCode.KEY_CONFLICT, ErrorCode.IN_PROGRESS})
"""Errors of a request that is not the one of its id: the id's record is another's."""

_STORED = frozenset({ErrorCode.DEADLINE_EXCEEDED})
"""Errors that are a request's result, and replace its earlier record. After any other error the record stays:
the client may have sent the key of an answered request with a body that can't be read."""

_REMEMBERED_CLIENTS = 4096
_LOGGED_SECONDS = 60.0

_IF_MISSING = {headers.NATS_EXPECTED_LAST_SUBJECT_SEQUENCE: "0"}

Publish = Callable[[str, bytes, dict[str, str] | None], Awaitable[None]]
"""Publishes a message: subject, body, headers. It waits for no confirmation."""

log = structlog.get_logger()


class ChatLog:
    """Writes a record of each request that this filter has ended.

    Args:
        publish: publishes a message.
        now: the time, in seconds since the Unix epoch.
        clock: a monotonic clock, in seconds.
    """

    def __init__(
        self,
        publish: Publish,
        now: Callable[[], float] = time.time,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._publish = publish
        self._now = now
        self._clock = clock
        self._full_at: dict[str, float] = {}
        """By client: when it has its whole allowance again, on the monotonic clock."""
        self._left_out = 0
        self._logged_at: float | None = None

    async def write(
        self,
        address: RequestAddress,
        outcome: str,
        *,
        attempt: int = 0,
        if_missing: bool = False,
        **facts: str | int | None,
    ) -> None:
        """Write the record of a request. Never raises, and waits for no confirmation.

        Args:
            address: of the request.
            outcome: ``answered``, ``refused``, or an error's code.
            attempt: how often a worker had taken it.
            if_missing: whether a record that is there already stays.
            facts: other fields of ``LogRecord``.
        """
        if not self._may_write(address.client):
            return
        try:
            record = LogRecord.model_validate(
                {
                    "id": address.id,
                    "at_ms": int(self._now() * 1000),
                    "client": address.client,
                    "lane": address.lane,
                    "outcome": outcome,
                    "attempt": attempt,
                    "part": "filter",
                    **facts,
                }
            )
        except ValidationError as error:
            log.error("log_record_invalid", faults=error.error_count())  # noqa: TRY400 -- it may quote a value
            return
        with contextlib.suppress(nats.errors.Error):
            subject = subjects.log(address.client, address.id)
            await self._publish(subject, to_json(record), _IF_MISSING if if_missing else None)

    async def write_stored(
        self, address: RequestAddress, outcome: Reply | ErrorReply, *, attempt: int = 0
    ) -> None:
        """Write the record of a request that has a stored result, unless it has a record."""
        if isinstance(outcome, ErrorReply):
            await self.write(address, outcome.error.code, attempt=attempt, if_missing=True)
            return
        usage = outcome.usage
        await self.write(
            address,
            "refused" if outcome.refused else "answered",
            attempt=attempt,
            if_missing=True,
            place=outcome.refusal.place if outcome.refusal else None,
            model=outcome.model,
            prompt_tokens=usage.prompt_tokens if usage else None,
            answer_tokens=usage.completion_tokens if usage else None,
        )

    @contextlib.asynccontextmanager
    async def failures_of(self, address: RequestAddress) -> AsyncIterator[None]:
        """Write the record of a request that ends in the block by an error, which is raised again.

        If the bus is away, nothing is written: the request may not have ended, and its requester repeats it.
        """
        try:
            yield
        except RequestError as error:
            if error.code not in _OF_ANOTHER:
                await self.write(address, error.code, if_missing=error.code not in _STORED, rule=error.rule)
            raise
        except BusError:
            raise
        except Exception:
            await self.write(address, ErrorCode.INTERNAL, if_missing=True)
            raise

    def _may_write(self, client: str) -> bool:
        """Take one record of the client's allowance; it fills again with time."""
        now = self._clock()
        full_at = max(self._full_at.get(client, now), now) + SECONDS_A_RECORD
        if full_at > now + BURST * SECONDS_A_RECORD:
            self._note_left_out(client, now)
            return False
        if len(self._full_at) >= _REMEMBERED_CLIENTS:
            self._full_at = _most_used(self._full_at, now)
        self._full_at[client] = full_at
        return True

    def _note_left_out(self, client: str, now: float) -> None:
        self._left_out += 1
        if self._logged_at is None or now - self._logged_at >= _LOGGED_SECONDS:
            self._logged_at = now
            log.warning("log_records_left_out", client=client, count=self._left_out)
            self._left_out = 0


def _most_used(full_at: Mapping[str, float], now: float) -> dict[str, float]:
    """Keep the half of the clients that have used the most of their allowance."""
    left = sorted((at, client) for client, at in full_at.items() if at > now)
    return {client: at for at, client in left[-_REMEMBERED_CLIENTS // 2 :]}
