"""CHAT and CHAT_RESULT over JetStream, with the few calls that the user ``filter`` may make."""

import asyncio
import base64
import contextlib
import json
import math
import time
from collections.abc import Callable
from datetime import datetime
from email.parser import BytesParser
from email.policy import compat32
from typing import Any
from uuid import UUID

import nats.errors
from nats.aio.client import Client
from nats.aio.msg import Msg

from stile_contracts import headers, subjects
from stile_contracts.errors import ErrorCode
from stile_filter.answers import Stored
from stile_filter.errors import NoLeaderError, RequestError, UnavailableError, UnconfirmedError
from stile_filter.ports import Approval
from stile_filter.queue.claims import Room
from stile_filter.queue.positions import ChatLook

ACK_SECONDS = 2.0
"""How long one confirmation is waited for."""

ELECTION_SECONDS = 12.0
"""How long an answer is asked for again. Where a server of a cluster dies, its streams have another leader
after 4 to 9 s (nats-server's election timeouts, server/raft.go)."""

_AGAIN_SECONDS = 0.25

_STREAM_REFUSED = 10077
"""JSStreamStoreFailedF: several limits have this code. Only the text tells which, and a text may change."""
_WRONG_LAST_SEQUENCE = frozenset({10071, 10164})
"""There is an outcome, or, in a cluster, one is on its way to the other replicas."""
NO_CONSUMER = 10014
_NO_SEQUENCE = 10043
_DELETE_FAILED = 10057
"""JSStreamMsgDeleteFailedF: also if the message is gone already."""
_NO_MESSAGE = 10037
_NO_LEADER = 10008
"""JSClusterNotAvailErr: "JetStream system temporarily unavailable"."""
_IN_FLIGHT_SECONDS = 1.0
"""In a cluster a place is taken as soon as its message is on the way to the replicas, and read only later."""
_LOOK_AGAIN_SECONDS = 0.02
_HEADERS_BEGIN = b"NATS/1.0\r\n"


class NatsStreams:
    """The streams.

    Args:
        client: returns the connection.
        ack_seconds: how long one confirmation is waited for.
        election_seconds: how long it is asked for again.
    """

    def __init__(
        self,
        client: Callable[[], Client],
        *,
        ack_seconds: float = ACK_SECONDS,
        election_seconds: float = ELECTION_SECONDS,
    ) -> None:
        self._client = client
        self._ack_seconds = ack_seconds
        self._election_seconds = election_seconds

    async def approve(self, subject: str, body: bytes, message_headers: dict[str, str]) -> Approval:
        """Publish an approved request into CHAT, again where no confirmation comes.

        Raises:
            UnconfirmedError: none came; it may be stored.
            UnavailableError: CHAT did not take it.
            RequestError: it is larger than the bus carries.
        """
        give_up = time.monotonic() + _IN_FLIGHT_SECONDS
        while True:
            error = await self._publish(subject, body, message_headers)
            if error is None:
                with contextlib.suppress(UnavailableError):  # the workers look by themselves every second
                    await self.tell(subjects.WAKE)
                return Approval.STORED
            if error.get("err_code") != _STREAM_REFUSED:
                raise UnavailableError(str(error.get("description")))
            if await self._get(subjects.CHAT_STREAM, subject):
                return Approval.TAKEN
            if await self._is_full(len(body)) or time.monotonic() > give_up:
                return Approval.FULL
            # The one that has the place is on its way, or it was taken out since: the next publish tells.
            await asyncio.sleep(_LOOK_AGAIN_SECONDS)

    async def waiting(self, client: str, chat_id: UUID) -> Stored | None:
        """Return the approved request of this client and id that CHAT holds, whatever its lane and model."""
        for place in subjects.approved_subjects_of(client, chat_id):
            if held := await self._get(subjects.CHAT_STREAM, place):
                return held
        return None

    async def outcome(self, subject: str) -> Stored | None:
        """Return the outcome that CHAT_RESULT holds under ``subject``."""
        return await self._get(subjects.RESULT_STREAM, subject)

    async def settle(self, subject: str, body: bytes, message_headers: dict[str, str]) -> bool:
        """Store an outcome where there is none yet; False where there is one.

        Raises:
            UnconfirmedError: no confirmation came; it may be stored.
            UnavailableError: CHAT_RESULT did not take it.
        """
        error = await self._publish(
            subject, body, {**message_headers, headers.NATS_EXPECTED_LAST_SUBJECT_SEQUENCE: "0"}
        )
        if error is None:
            return True
        if error.get("err_code") in _WRONG_LAST_SEQUENCE:
            return False
        raise UnavailableError(str(error.get("description")))

    async def is_delivered(self, held: Stored) -> bool:
        """Tell whether a worker was handed what CHAT holds.

        Raises:
            UnconfirmedError: no answer came.
            UnavailableError: it can't be known.
        """
        name = subjects.durable(held.headers[headers.NATS_SUBJECT])
        info = await self._ask(f"$JS.API.CONSUMER.INFO.{subjects.CHAT_STREAM}.{name}")
        error = info.get("error")
        if error is None:
            return bool(info["delivered"]["stream_seq"] >= int(held.headers[headers.NATS_SEQUENCE]))
        if error.get("err_code") == NO_CONSUMER:
            return False  # made when a worker first looks for this client
        raise UnavailableError(str(error.get("description")))

    async def remove(self, seq: int) -> bool:
        """Take the message ``seq`` out of CHAT; False where it is there no more.

        Raises:
            UnconfirmedError: no answer came; it may be out.
            UnavailableError: it can't be taken out.
        """
        body = json.dumps({"seq": seq, "no_erase": True}).encode()
        # Not again after silence: that it is out already would look as if another had taken it.
        asked = await self._ask(
            f"$JS.API.STREAM.MSG.DELETE.{subjects.CHAT_STREAM}", body, again_after_silence=False
        )
        error = asked.get("error")
        if error is None:
            return True
        if error.get("err_code") == _NO_SEQUENCE:
            return False
        if (
            error.get("err_code") == _DELETE_FAILED
            and await self._got(subjects.CHAT_STREAM, {"seq": seq}) is None
        ):
            return False
        raise UnavailableError(str(error.get("description")))

    async def held(self) -> list[str]:
        """Return the subjects of all approved requests that have no outcome yet.

        Raises:
            UnconfirmedError: no answer came.
            UnavailableError: it can't be known.
        """
        return (await self.look()).subjects

    async def _is_full(self, size: int) -> bool:
        """Tell whether CHAT has no room for a message with a body of ``size`` bytes."""
        info = await self._ask(f"$JS.API.STREAM.INFO.{subjects.CHAT_STREAM}")
        if error := info.get("error"):
            raise UnavailableError(str(error.get("description")))
        limits, state = info["config"], info["state"]
        most, most_bytes = limits.get("max_msgs", -1), limits.get("max_bytes", -1)
        # Below zero: without a limit.
        return bool(0 <= most <= state["messages"] or 0 <= most_bytes < state["bytes"] + size)

    async def look(self) -> ChatLook:
        """Return the subjects of all approved requests that have no result yet, CHAT's limits, and the time.

        Raises:
            UnconfirmedError: no answer came.
            UnavailableError: it can't be known.
        """
        body = json.dumps({"subjects_filter": subjects.ALL_APPROVED}).encode()
        info = await self._ask(f"$JS.API.STREAM.INFO.{subjects.CHAT_STREAM}", body)
        if error := info.get("error"):
            raise UnavailableError(str(error.get("description")))
        limits, state = info["config"], info["state"]
        most, size = limits.get("max_msgs", -1), limits.get("max_bytes", -1)
        # Below zero: without a limit.
        room = Room(most if most >= 0 else math.inf, state["bytes"] / size if size > 0 else 0)
        at = datetime.fromisoformat(info["ts"]).timestamp()
        return ChatLook(list(state.get("subjects") or ()), room, at)

    async def tell(self, subject: str) -> None:
        """Publish a bodiless event.

        Raises:
            UnavailableError: the bus is away.
        """
        try:
            await self._client().publish(subject, b"")
        except nats.errors.Error as error:
            raise UnavailableError(str(error)) from error

    async def _publish(
        self, subject: str, body: bytes, message_headers: dict[str, str]
    ) -> dict[str, Any] | None:
        """Return JetStream's error, or None where it stored the message."""
        error: dict[str, Any] | None = (await self._ask(subject, body, message_headers)).get("error")
        return error

    async def _get(self, stream: str, subject: str) -> Stored | None:
        return await self._got(stream, {"last_by_subj": subject})

    async def _got(self, stream: str, which: dict[str, str | int]) -> Stored | None:
        # From the stream's leader. DIRECT.GET is answered by any replica, and one may not have yet what was
        # confirmed (docs/adr/0012).
        answer = await self._ask(f"$JS.API.STREAM.MSG.GET.{stream}", json.dumps(which).encode())
        error = answer.get("error")
        if error is None:
            return _stored(answer["message"])
        if error.get("err_code") == _NO_MESSAGE:
            return None
        raise UnavailableError(f"{stream}: {error.get('description')}")

    async def _ask(
        self,
        subject: str,
        body: bytes = b"",
        message_headers: dict[str, str] | None = None,
        *,
        again_after_silence: bool = True,
    ) -> dict[str, Any]:
        """Return JetStream's answer; it is asked again while a stream has no leader.

        Raises:
            UnconfirmedError: none came; it may be done.
            UnavailableError: it was surely not done.
        """
        give_up = time.monotonic() + self._election_seconds
        silent = False
        while True:
            try:
                answer: dict[str, Any] = json.loads(
                    (await self._request(subject, body, message_headers)).data
                )
                if answer.get("error", {}).get("err_code") != _NO_LEADER:
                    return answer
                failure = NoLeaderError(str(answer["error"].get("description")))
            except NoLeaderError as error:
                failure = error
            except UnconfirmedError:
                if not again_after_silence or time.monotonic() > give_up:
                    raise
                silent = True
                continue
            if time.monotonic() > give_up:
                raise UnconfirmedError if silent else failure
            await asyncio.sleep(_AGAIN_SECONDS)

    async def _request(self, subject: str, body: bytes, message_headers: dict[str, str] | None) -> Msg:
        try:
            return await self._client().request(
                subject, body, timeout=self._ack_seconds, headers=message_headers
            )
        except nats.errors.TimeoutError as error:
            raise UnconfirmedError from error
        except nats.errors.MaxPayloadError as error:
            raise RequestError(
                ErrorCode.TOO_LARGE, "the conversation is larger than the bus carries"
            ) from error
        except nats.errors.NoRespondersError as error:
            raise NoLeaderError(str(error)) from error
        except nats.errors.Error as error:
            # The connection is closed, its buffer is full: nothing was stored.
            raise UnavailableError(str(error)) from error


def _stored(message: dict[str, Any]) -> Stored:
    """Read a message as the server gives it: headers and body in base64, its number beside them."""
    head = base64.b64decode(message.get("hdrs", ""))
    lines = BytesParser(policy=compat32).parsebytes(head.removeprefix(_HEADERS_BEGIN), headersonly=True)
    found = {name: str(value) for name, value in lines.items()}
    found[headers.NATS_SEQUENCE] = str(message["seq"])
    found[headers.NATS_SUBJECT] = message["subject"]
    return Stored(found, base64.b64decode(message.get("data", "")))
