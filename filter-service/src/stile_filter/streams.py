"""CHAT and CHAT_RESULT over JetStream, with the few calls that the user ``filter`` may make."""

import contextlib
import json
from collections.abc import Callable
from typing import Any

import nats.errors
from nats.aio.client import Client
from nats.aio.msg import Msg

from stile_contracts import headers, subjects
from stile_contracts.errors import ErrorCode
from stile_contracts.subjects import Lane
from stile_filter.answers import Stored
from stile_filter.errors import BusError, RequestError, UnavailableError, UnconfirmedError
from stile_filter.ports import Approval

ACK_SECONDS = 2.0
"""How long one confirmation is waited for."""

_PUBLISHES = 3

_STREAM_REFUSED = 10077
"""JSStreamStoreFailedF: several limits have this code, and the text tells which."""
_WRONG_LAST_SEQUENCE = 10071
_NO_CONSUMER = 10014
_NO_SEQUENCE = 10043
_NOT_FOUND = "404"


class NatsStreams:
    """The streams.

    Args:
        client: returns the connection.
        ack_seconds: how long one confirmation is waited for.
    """

    def __init__(self, client: Callable[[], Client], *, ack_seconds: float = ACK_SECONDS) -> None:
        self._client = client
        self._ack_seconds = ack_seconds

    async def approve(self, subject: str, body: bytes, message_headers: dict[str, str]) -> Approval:
        """Publish an approved request into CHAT, again where no confirmation comes.

        Raises:
            UnconfirmedError: none came; it may be stored.
            UnavailableError: CHAT did not take it.
            RequestError: it is larger than the bus carries.
        """
        error = await self._publish(subject, body, message_headers)
        if error is None:
            with contextlib.suppress(UnavailableError):  # the workers look by themselves every second
                await self.tell(subjects.WAKE)
            return Approval.STORED
        if error.get("err_code") == _STREAM_REFUSED:
            per_subject = "per subject" in str(error.get("description", ""))
            return Approval.TAKEN if per_subject else Approval.FULL
        raise UnavailableError(str(error.get("description")))

    async def waiting(self, subject: str) -> Stored | None:
        """Return the approved request that CHAT holds under ``subject``."""
        return await self._get(subjects.CHAT_STREAM, subject)

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
        if error.get("err_code") == _WRONG_LAST_SEQUENCE:
            return False
        raise UnavailableError(str(error.get("description")))

    async def is_delivered(self, lane: Lane, client: str, seq: int) -> bool:
        """Tell whether a worker was handed the message ``seq`` of CHAT.

        Raises:
            UnconfirmedError: no answer came.
            UnavailableError: it can't be known.
        """
        name = subjects.worker(lane, client)
        asked = await self._request(f"$JS.API.CONSUMER.INFO.{subjects.CHAT_STREAM}.{name}", b"", None)
        info = json.loads(asked.data)
        error = info.get("error")
        if error is None:
            return bool(info["delivered"]["stream_seq"] >= seq)
        if error.get("err_code") == _NO_CONSUMER:
            return False  # made when a worker first looks for this client
        raise UnavailableError(str(error.get("description")))

    async def remove(self, seq: int) -> bool:
        """Take the message ``seq`` out of CHAT; False where it is there no more.

        Raises:
            UnconfirmedError: no answer came; it may be out.
            UnavailableError: it can't be taken out.
        """
        body = json.dumps({"seq": seq, "no_erase": True}).encode()
        asked = await self._request(f"$JS.API.STREAM.MSG.DELETE.{subjects.CHAT_STREAM}", body, None)
        error = json.loads(asked.data).get("error")
        if error is None:
            return True
        if error.get("err_code") == _NO_SEQUENCE:
            return False
        raise UnavailableError(str(error.get("description")))

    async def held(self) -> list[str]:
        """Return the subjects of all approved requests that have no outcome yet.

        Raises:
            UnconfirmedError: no answer came.
            UnavailableError: it can't be known.
        """
        body = json.dumps({"subjects_filter": subjects.APPROVED}).encode()
        asked = await self._request(f"$JS.API.STREAM.INFO.{subjects.CHAT_STREAM}", body, None)
        info = json.loads(asked.data)
        if error := info.get("error"):
            raise UnavailableError(str(error.get("description")))
        return list(info["state"].get("subjects") or ())

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
        failure: BusError = UnconfirmedError()
        for _ in range(_PUBLISHES):
            try:
                answer = await self._request(subject, body, message_headers)
            except UnconfirmedError as unconfirmed:
                failure = unconfirmed
                continue
            error: dict[str, Any] | None = json.loads(answer.data).get("error")
            return error
        raise failure

    async def _get(self, stream: str, subject: str) -> Stored | None:
        answer = await self._request(f"$JS.API.DIRECT.GET.{stream}.{subject}", b"", None)
        found = answer.headers or {}
        status = found.get("Status")
        if status == _NOT_FOUND:
            return None
        if status is not None:
            raise UnavailableError(f"{stream}: {status} {found.get('Description', '')}")
        return Stored(found, answer.data)

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
        except nats.errors.Error as error:
            # Nobody answers for the stream, the connection is closed, its buffer is full: nothing was stored.
            raise UnavailableError(str(error)) from error
