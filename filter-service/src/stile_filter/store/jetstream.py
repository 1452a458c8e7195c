"""CHAT, CHAT_RESULT and CHAT_DLQ on JetStream, with the few calls that the user ``filter`` may make."""

import asyncio
import contextlib
import math
import time
import uuid
from collections import defaultdict
from collections.abc import AsyncIterator
from datetime import datetime
from uuid import UUID

import nats.errors
from nats.aio.msg import Msg
from nats.js import JetStreamContext
from nats.js.api import (
    AckPolicy,
    ConsumerConfig,
    ConsumerInfo,
    DeliverPolicy,
    RawStreamMsg,
    SequenceInfo,
    StreamInfo,
)

from stile_contracts import headers, subjects
from stile_contracts.subjects import RequestAddress
from stile_filter.errors import RefusedError, UnavailableError, UnconfirmedError
from stile_filter.store.calls import Calls
from stile_filter.store.protocol import (
    Approval,
    ChatLook,
    ResultRecord,
    ResultRoom,
    Room,
    StoredMessage,
    UndeliverableMessage,
)

_STREAM_REFUSED = 10077
"""JSStreamStoreFailedF: several limits have this number. Only the text says which, and a text may change."""
_WRONG_LAST_SEQUENCE = frozenset({10071, 10164})
"""There is a message, or, in a cluster, one is on its way to the other replicas."""
_NO_CONSUMER = 10014
_NO_SEQUENCE = 10043
_DELETE_FAILED = 10057
"""JSStreamMsgDeleteFailedF: also if the message is gone already."""
_NO_MESSAGE = 10037

_IN_FLIGHT_SECONDS = 1.0
"""In a cluster a subject is taken before its message has reached the replicas and can be read."""
_LOOK_AGAIN_SECONDS = 0.02

_BATCH = 500
_BATCH_SECONDS = 5.0
_OVERHEAD = 256
"""Bytes of a result's subject, headers and record beside its body (seen on nats-server 2.15.1)."""
_SIZE = "Nats-Msg-Size"
_FORGOTTEN_SECONDS = 30.0


class JetStreamStore(Calls):
    """The ``Store`` on nats-server."""

    async def approve(self, subject: str, body: bytes, message_headers: dict[str, str]) -> Approval:
        """Publish an approved request into CHAT, again if no confirmation comes; then wake the workers."""
        # Counted from the first refusal: before it, a leader may have been chosen for many seconds.
        give_up: float | None = None
        while True:
            try:
                await self.call(lambda js: js.publish(subject, body, headers=message_headers))
            except RefusedError as error:
                if error.number != _STREAM_REFUSED:
                    raise
            else:
                with contextlib.suppress(UnavailableError):  # the workers look by themselves every second
                    await self.publish(subjects.WAKE, subject.encode())
                return Approval.STORED
            if await self._get(subjects.CHAT_STREAM, subject=subject):
                return Approval.TAKEN
            if await self._is_full(len(body)):
                return Approval.FULL
            give_up = give_up or time.monotonic() + _IN_FLIGHT_SECONDS
            if time.monotonic() > give_up:
                raise UnconfirmedError
            # The one that has the subject is on its way, or it was taken out since: the next publish tells.
            await asyncio.sleep(_LOOK_AGAIN_SECONDS)

    async def waiting(self, client: str, chat_id: UUID) -> StoredMessage | None:
        """Return the approved request of this client and id that CHAT holds, of any lane and model."""
        for pattern in subjects.approved_subjects_of(client, chat_id):
            if request := await self._get(subjects.CHAT_STREAM, subject=pattern):
                return request
        return None

    async def at(self, seq: int) -> StoredMessage | None:
        """Return the message of CHAT with this number."""
        return await self._get(subjects.CHAT_STREAM, seq=seq)

    async def is_delivered(self, request: StoredMessage) -> bool:
        """Tell whether a worker has received a request that CHAT holds."""
        info = await self._durable(subjects.durable(request.subject))
        return info is not None and _seq(info.delivered) >= request.seq

    async def remove(self, seq: int) -> bool:
        """Take a message out of CHAT; False if it is there no more."""
        try:
            # nats-py's `delete_msg` knows no `no_erase` and no timeout. Not again after silence: if it is out
            # already, it would look as if somebody else had taken it.
            await self.ask(
                f"STREAM.MSG.DELETE.{subjects.CHAT_STREAM}",
                {"seq": seq, "no_erase": True},
                again_after_silence=False,
            )
        except RefusedError as error:
            gone = error.number == _DELETE_FAILED and await self.at(seq) is None
            if gone or error.number == _NO_SEQUENCE:
                return False
            raise
        return True

    async def look(self) -> ChatLook:
        """Return what CHAT holds now."""
        info, at = await self._info(subjects.CHAT_STREAM, subjects_filter=subjects.ALL_CHAT)
        limits, state = info.config, info.state
        room = Room(_most(limits.max_msgs), state.bytes / _most(limits.max_bytes))
        return ChatLook(list(state.subjects or ()), room, at)

    async def hold(self) -> bool:
        """Put the queue on hold; False if CHAT has no room for that."""
        return await self.approve(subjects.HOLD, b"", {}) is not Approval.FULL

    async def resume(self) -> None:
        """End the hold, if there is one; then wake the workers."""
        while held := await self._get(subjects.CHAT_STREAM, subject=subjects.HOLD):
            await self.remove(held.seq)
        await self.notify(subjects.WAKE)

    async def given_up(self) -> list[UndeliverableMessage]:
        """Return what CHAT holds and delivers no more.

        A work queue keeps nothing that was acknowledged. So what lies at or below the acknowledged floor of
        its durable was given up. If no worker has any of the durable's requests, and none is to be delivered
        again, so was all that the durable has delivered. While a worker has one above the floor, the two
        can't be told apart, and a later look finds it (seen on nats-server 2.15.1, and tested).
        """
        found = []
        for name, held in (await self._held_by_durable()).items():
            info = await self._durable(name)
            # It has as many messages as wait and are with workers: then none was given up.
            if info is None or len(held) <= (info.num_pending or 0) + (info.num_ack_pending or 0):
                continue
            last = _seq(info.ack_floor if info.num_ack_pending else info.delivered)
            for subject in held:
                request = await self._get(subjects.CHAT_STREAM, subject=subject)
                if request and request.seq <= last:
                    found.append(UndeliverableMessage(request.seq, info.config.max_deliver or 0))
        return found

    async def result(self, client: str, chat_id: UUID) -> StoredMessage | None:
        """Return the result of a request."""
        return await self._get(subjects.RESULT_STREAM, subject=subjects.result(client, chat_id))

    async def store_result(
        self, client: str, chat_id: UUID, body: bytes, message_headers: dict[str, str]
    ) -> bool:
        """Store the result of a request if it has none; False if it has one."""
        return await self._create(subjects.result(client, chat_id), body, message_headers)

    async def store_dead_letter(
        self, address: RequestAddress, body: bytes, message_headers: dict[str, str]
    ) -> bool:
        """Store a request that was given up in CHAT_DLQ; False if it is there already."""
        return await self._create(subjects.dead(*address), body, message_headers)

    async def result_room(self) -> ResultRoom:
        """Return how full CHAT_RESULT is."""
        info, now = await self._info(subjects.RESULT_STREAM)
        return ResultRoom(info.state.bytes, _most(info.config.max_bytes), now)

    async def result_records(self) -> AsyncIterator[ResultRecord]:
        """Give a record of every result, the oldest first: their headers alone are read."""
        config = ConsumerConfig(
            name=f"shares-{uuid.uuid4().hex}",
            deliver_policy=DeliverPolicy.ALL,
            ack_policy=AckPolicy.NONE,
            headers_only=True,
            mem_storage=True,
            num_replicas=1,
            inactive_threshold=_FORGOTTEN_SECONDS,
        )
        made = await self.call(lambda js: js.add_consumer(subjects.RESULT_STREAM, config))
        pull = await self.call(lambda js: js.pull_subscribe_bind(made.name, subjects.RESULT_STREAM))
        try:
            left = made.num_pending or 0
            while left:
                for message in await pull.fetch(_BATCH, timeout=_BATCH_SECONDS):
                    left = message.metadata.num_pending
                    yield _record(message)
        except nats.errors.Error as error:
            raise UnavailableError(str(error) or type(error).__name__) from error
        finally:
            with contextlib.suppress(nats.errors.Error):
                await pull.unsubscribe()

    async def purge_results(self, client: str, before: int) -> None:
        """Remove those of a client's results whose numbers are less than ``before``."""
        of_client = subjects.results_of(client)
        await self.call(lambda js: js.purge_stream(subjects.RESULT_STREAM, seq=before, subject=of_client))

    async def remember(self, client: str, tag: str) -> None:
        """Store that a client has received an answer with this hash."""
        await self.call(lambda js: js.publish(subjects.written(client, tag)))

    async def remembers(self, client: str, tag: str) -> bool:
        """Tell whether it is stored that a client has received an answer with this hash."""
        return await self._get(subjects.WRITTEN_STREAM, subject=subjects.written(client, tag)) is not None

    async def notify(self, subject: str) -> None:
        """Publish an event without a body."""
        await self.publish(subject)

    async def _create(self, subject: str, body: bytes, message_headers: dict[str, str]) -> bool:
        """Store a message if there is none under ``subject`` yet; False if there is one."""
        create_only = {**message_headers, headers.NATS_EXPECTED_LAST_SUBJECT_SEQUENCE: "0"}
        try:
            await self.call(lambda js: js.publish(subject, body, headers=create_only))
        except RefusedError as error:
            if error.number in _WRONG_LAST_SEQUENCE:
                return False
            raise
        return True

    async def _get(
        self, stream: str, *, subject: str | None = None, seq: int | None = None
    ) -> StoredMessage | None:
        async def get(js: JetStreamContext) -> RawStreamMsg:
            # From the stream's leader. DIRECT.GET is answered by any replica, and one may not have yet what
            # was confirmed (docs/adr/0010).
            return await js.get_msg(stream, seq=seq, subject=subject)

        try:
            message = await self.call(get)
        except RefusedError as error:
            if error.number == _NO_MESSAGE:
                return None
            raise
        found = {name: str(value) for name, value in (message.headers or {}).items()}
        return StoredMessage(found, message.data or b"", message.subject or "", message.seq or 0)

    async def _is_full(self, size: int) -> bool:
        """Tell whether CHAT has no room for a message with a body of ``size`` bytes."""
        info, _ = await self._info(subjects.CHAT_STREAM)
        limits, state = info.config, info.state
        return state.messages >= _most(limits.max_msgs) or state.bytes + size > _most(limits.max_bytes)

    async def _info(self, stream: str, **question: str) -> tuple[StreamInfo, float]:
        """Return what JetStream says of a stream, and its time: nats-py's ``stream_info`` leaves that out."""
        answer = await self.ask(f"STREAM.INFO.{stream}", question)
        return StreamInfo.from_response(answer), datetime.fromisoformat(answer["ts"]).timestamp()

    async def _durable(self, name: str) -> ConsumerInfo | None:
        """Return what JetStream says of a durable of CHAT; None if no worker has made it yet."""
        try:
            return await self.call(lambda js: js.consumer_info(subjects.CHAT_STREAM, name))
        except RefusedError as error:
            if error.number == _NO_CONSUMER:
                return None
            raise

    async def _held_by_durable(self) -> dict[str, list[str]]:
        """Return the subjects that CHAT holds, by the names of their durables."""
        held: dict[str, list[str]] = defaultdict(list)
        for subject in (await self.look()).subjects:
            with contextlib.suppress(ValueError):  # no filter approves under such a subject
                held[subjects.durable(subject)].append(subject)
        return held


def _most(limit: int | None) -> float:
    """Return a stream's limit; below zero it has none."""
    return math.inf if limit is None or limit < 0 else limit


def _seq(sequence: SequenceInfo | None) -> int:
    return sequence.stream_seq if sequence else 0


def _record(message: Msg) -> ResultRecord:
    _, _, client, chat_id = message.subject.split(".")
    size = int((message.headers or {}).get(_SIZE, 0)) + _OVERHEAD
    stored = message.metadata.timestamp.timestamp()
    return ResultRecord((client, UUID(chat_id)), message.metadata.sequence.stream, size, stored)
