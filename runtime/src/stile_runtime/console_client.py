"""What the owner may ask on the bus, as the user ``console``: the log, the queue, a verdict, a hold.

The console and the commands of ``stile`` use it. ``docs/protocol.md``, "The log" and "The console", says
what each request means.
"""

import contextlib
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import TypeVar
from uuid import UUID

import nats.errors
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from pydantic import BaseModel, ValidationError

from stile_contracts import subjects
from stile_contracts.messages import (
    CancelReceipt,
    CancelRequest,
    ErrorReply,
    HoldState,
    LogRecord,
    PolicyVerdict,
    QueueListing,
    VerdictRequest,
)

USER = "console"
"""The user on the bus."""

_SECONDS = 5.0
_VERDICT_SECONDS = 65.0
"""A little more than a filter takes at most, with the tests of a policy that is sent."""

_BATCH = 1000
_DIRECT_GET = f"$JS.API.DIRECT.GET.{subjects.LOG_STREAM}"
_STATUS = "Status"
_END_OF_BATCH = "204"
_NOTHING_FOUND = "404"
_NO_RESPONDERS = "503"

_Reply = TypeVar("_Reply", bound=BaseModel)


class ConsoleError(Exception):
    """A request could not be done; the text says why, for people."""


class ConsoleClient:
    """Asks the filters, and reads the log.

    Args:
        client: connected as ``USER``, with the inbox prefix ``subjects.CONSOLE_INBOX``.
    """

    def __init__(self, client: Client) -> None:
        self._client = client

    async def records(self, since_ms: int = 0, of_client: str | None = None) -> AsyncIterator[LogRecord]:
        """Give the records of the log, the oldest first.

        A record that this version cannot read is left out.

        Args:
            since_ms: only requests that ended at this time or later, in milliseconds since the Unix epoch.
            of_client: only this client's.

        Raises:
            ConsoleError: the log can't be read.
        """
        subject = subjects.LOG if of_client is None else subjects.log_of(of_client)
        start: dict[str, str | int] = {"seq": 1}
        if since_ms > 0:
            start = {"start_time": datetime.fromtimestamp(since_ms / 1000, UTC).isoformat()}
        while True:
            batch, left = await self._batch({**start, "next_by_subj": subject})
            for message in batch:
                record = _record(message)
                if record is not None and record.at_ms >= since_ms:
                    yield record
            if not batch or not left:
                return
            start = {"seq": int((batch[-1].headers or {})["Nats-Sequence"]) + 1}

    async def verdict(self, text: str, policy: str | None = None) -> PolicyVerdict:
        """Return what the policy in use, or the one whose text is given, says of a text.

        Raises:
            ConsoleError: there is no verdict.
        """
        request = VerdictRequest(text=text, policy=policy)
        return await self._ask(subjects.CONSOLE_VERDICT, request, PolicyVerdict, _VERDICT_SECONDS)

    async def queue(self) -> QueueListing:
        """Return who is answered and who waits.

        Raises:
            ConsoleError: no filter replies.
        """
        return await self._ask(subjects.CONSOLE_QUEUE, None, QueueListing)

    async def cancel(self, client: str, chat_id: UUID) -> CancelReceipt:
        """Cancel a request of any client.

        Raises:
            ConsoleError: it may not be cancelled.
        """
        request = CancelRequest(client=client, id=chat_id)
        return await self._ask(subjects.CONSOLE_CANCEL, request, CancelReceipt)

    async def hold(self) -> HoldState:
        """Have the workers start nothing more.

        Raises:
            ConsoleError: the queue may not be on hold.
        """
        return await self._ask(subjects.CONSOLE_HOLD, None, HoldState)

    async def resume(self) -> HoldState:
        """Have the workers go on.

        Raises:
            ConsoleError: the queue may still be on hold.
        """
        return await self._ask(subjects.CONSOLE_RESUME, None, HoldState)

    async def _ask(
        self, subject: str, request: BaseModel | None, reply: type[_Reply], seconds: float = _SECONDS
    ) -> _Reply:
        body = request.model_dump_json(exclude_none=True).encode() if request else b""
        try:
            message = await self._client.request(subject, body, timeout=seconds)
        except nats.errors.NoRespondersError as error:
            raise ConsoleError("no filter is there") from error
        except nats.errors.TimeoutError as error:
            raise ConsoleError(f"no filter has answered within {seconds:g} s") from error
        except nats.errors.Error as error:
            raise ConsoleError(f"the bus can't be used: {error}") from error
        try:
            return reply.model_validate_json(message.data)
        except ValidationError as error:
            raise ConsoleError(_reason(message.data)) from error

    async def _batch(self, question: dict[str, str | int]) -> tuple[list[Msg], int]:
        """Return one batch of messages, and how many come after it."""
        inbox = self._client.new_inbox()
        try:
            subscription = await self._client.subscribe(inbox)
            try:
                await self._client.publish(
                    _DIRECT_GET, json.dumps({**question, "batch": _BATCH}).encode(), reply=inbox
                )
                return await _received(subscription)
            finally:
                with contextlib.suppress(nats.errors.Error):
                    await subscription.unsubscribe()
        except nats.errors.TimeoutError as error:
            raise ConsoleError(f"the log was not sent within {_SECONDS:g} s") from error
        except nats.errors.Error as error:
            raise ConsoleError(f"the bus can't be used: {error}") from error


async def _received(subscription: Subscription) -> tuple[list[Msg], int]:
    batch: list[Msg] = []
    while True:
        message = await subscription.next_msg(timeout=_SECONDS)
        said = message.headers or {}
        match said.get(_STATUS):
            case None:
                batch.append(message)
            case str(status) if status == _END_OF_BATCH:
                return batch, int(said.get("Nats-Num-Pending", 0))
            case str(status) if status == _NOTHING_FOUND:
                return batch, 0
            case str(status) if status == _NO_RESPONDERS:
                raise ConsoleError("the stream CHAT_LOG is not there: `stile provision` makes it")
            case status:
                raise ConsoleError(f"CHAT_LOG can't be read: {status} {said.get('Description', '')}")


def _record(message: Msg) -> LogRecord | None:
    try:
        return LogRecord.model_validate_json(message.data)
    except ValidationError:
        return None


def _reason(body: bytes) -> str:
    try:
        return ErrorReply.model_validate_json(body).error.message
    except ValidationError:
        return "a filter of another version has answered; update it"
