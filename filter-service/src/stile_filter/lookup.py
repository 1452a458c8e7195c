"""The use case: somebody asks what has become of a request. ``docs/protocol.md``, "Looking a request up"."""

import traceback
from collections.abc import Callable
from uuid import UUID

import structlog

from stile_contracts import headers, subjects
from stile_contracts.errors import ErrorCode
from stile_contracts.messages import EventKind
from stile_filter.answers import Answers, Outgoing
from stile_filter.chat_queue import Standing
from stile_filter.errors import BusError, RequestError
from stile_filter.request import Incoming, client_of
from stile_filter.store import Store

log = structlog.get_logger()


class Lookup:
    """Handles lookups.

    Args:
        store: the streams.
        standing: tells where the request stands that has this place in CHAT (``subjects.approved``).
        counted: told what each has found: an event's name, or an error's code.
    """

    def __init__(
        self, store: Store, standing: Callable[[str], Standing], counted: Callable[[str], None]
    ) -> None:
        self._store = store
        self._standing = standing
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
        if outcome := await self._store.result(client, answers.chat_id):
            return answers.stored(outcome)
        if found := await self._in_chat(client, answers.chat_id, answers):
            return found
        # A request leaves CHAT after its outcome was stored, so one that did in between has it now.
        if outcome := await self._store.result(client, answers.chat_id):
            return answers.stored(outcome)
        raise RequestError(
            ErrorCode.NOT_FOUND, "nothing is known of this request; outcomes are kept for an hour"
        )

    async def _in_chat(self, client: str, chat_id: UUID, answers: Answers) -> EventKind | None:
        held = await self._store.waiting(client, chat_id)
        if held is None:
            return None
        if await self._store.is_delivered(held):
            answers.runs()
            return EventKind.STARTED
        answers.waits(self._standing(subjects.approved(*held.address)))
        return EventKind.POSITION


def _read(incoming: Incoming) -> tuple[str, UUID]:
    try:
        origin, chat_id = subjects.parse_status(incoming.subject)
    except ValueError as error:
        raise RequestError(
            ErrorCode.INVALID_HEADER, "ask at chat.outcome.<id>, the id a UUID", param=headers.CHAT_ID
        ) from error
    return client_of(origin, incoming), chat_id
