"""The use case: somebody asks what has become of a request. ``docs/protocol.md``, "Looking a request up"."""

import traceback
from collections.abc import Callable
from typing import Protocol
from uuid import UUID

import structlog

from stile_contracts import headers, subjects
from stile_contracts.errors import ErrorCode
from stile_contracts.messages import EventKind
from stile_filter.answers import Answers, Outgoing, Stored
from stile_filter.errors import BusError, RequestError
from stile_filter.queue.estimate import QueuePosition
from stile_filter.request import Incoming, client_of

log = structlog.get_logger()


class Streams(Protocol):
    """CHAT and CHAT_RESULT. Every method may raise ``UnconfirmedError`` and ``UnavailableError``."""

    async def waiting(self, client: str, chat_id: UUID) -> Stored | None:
        """Return the approved request of this client and id that CHAT holds, whatever its lane and model."""
        ...

    async def outcome(self, subject: str) -> Stored | None:
        """Return the outcome that CHAT_RESULT holds under ``subject``."""
        ...

    async def is_delivered(self, held: Stored) -> bool:
        """Tell whether a worker was handed what CHAT holds."""
        ...


class Lookup:
    """Handles lookups.

    Args:
        streams: what is kept.
        position: returns the position of the request with this subject in CHAT (``subjects.approved``).
        counted: told what each has found: an event's name, or an error's code.
    """

    def __init__(
        self, streams: Streams, position: Callable[[str], QueuePosition], counted: Callable[[str], None]
    ) -> None:
        self._streams = streams
        self._position = position
        self._counted = counted

    async def handle(self, incoming: Incoming) -> list[Outgoing]:
        """Return the one reply: the outcome, or where the request is. Never raises."""
        if not subjects.is_reply_allowed(incoming.reply_to):
            # The place to answer is the attack.
            log.warning("reply_subject_refused", subject=incoming.subject, reply_to=incoming.reply_to[:256])
            return []
        answers = Answers(incoming.reply_to)
        try:
            found = await self._look_up(incoming, answers)
        except RequestError as error:
            found = error.code.value
            answers.error(error)
        except BusError as error:
            found = ErrorCode.BUS_UNAVAILABLE.value
            log.warning("bus_unavailable", subject=incoming.subject, reason=str(error))
            answers.error(RequestError(ErrorCode.BUS_UNAVAILABLE, "the bus can't be asked now; try again"))
        except Exception as error:  # noqa: BLE001 -- the last resort: nobody is left without an answer
            found = ErrorCode.INTERNAL.value
            at = traceback.extract_tb(error.__traceback__)[-1]
            log.error(  # noqa: TRY400 -- an exception's own text may hold the request's
                "lookup_failed", error=type(error).__name__, at=f"{at.filename}:{at.lineno}"
            )
            answers.error(RequestError(ErrorCode.INTERNAL, "the filter failed; try again"))
        self._counted(found)
        return answers.said

    async def _look_up(self, incoming: Incoming, answers: Answers) -> str:
        client, answers.chat_id = _read(incoming)
        result = subjects.result(client, answers.chat_id)
        if outcome := await self._streams.outcome(result):
            return answers.stored(outcome)
        if found := await self._in_chat(client, answers.chat_id, answers):
            return found
        # A request leaves CHAT after its outcome was stored, so one that did in between has it now.
        if outcome := await self._streams.outcome(result):
            return answers.stored(outcome)
        raise RequestError(
            ErrorCode.NOT_FOUND, "nothing is known of this request; outcomes are kept for an hour"
        )

    async def _in_chat(self, client: str, chat_id: UUID, answers: Answers) -> EventKind | None:
        held = await self._streams.waiting(client, chat_id)
        if held is None:
            return None
        if await self._streams.is_delivered(held):
            answers.runs()
            return EventKind.STARTED
        place = subjects.parse_approved(held.headers[headers.NATS_SUBJECT])
        answers.waits(self._position(subjects.approved(*place)))
        return EventKind.POSITION


def _read(incoming: Incoming) -> tuple[str, UUID]:
    try:
        origin, chat_id = subjects.parse_status(incoming.subject)
    except ValueError as error:
        raise RequestError(
            ErrorCode.INVALID_HEADER, "ask at chat.outcome.<id>, the id a UUID", param=headers.CHAT_ID
        ) from error
    return client_of(origin, incoming), chat_id
