"""One call of JetStream's API: repeated while a stream has no leader, its errors translated."""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import nats.errors
from nats.aio.client import Client
from nats.js import JetStreamContext
from nats.js.errors import APIError, NoStreamResponseError, ServiceUnavailableError

from stile_contracts.errors import ErrorCode
from stile_filter.errors import NoLeaderError, RefusedError, RequestError, UnavailableError, UnconfirmedError

ACK_SECONDS = 2.0
"""How long one answer is waited for."""

ELECTION_SECONDS = 12.0
"""How long a call is repeated. If a server of a cluster dies, its streams have another leader after 4 to 9 s
(nats-server's election timeouts, server/raft.go)."""

_AGAIN_SECONDS = 0.25

_NO_LEADER = 10008
"""JSClusterNotAvailErr: "JetStream system temporarily unavailable"."""

_Answer = TypeVar("_Answer")


class Calls:
    """Makes calls.

    Args:
        client: returns the connection.
        ack_seconds: how long one answer is waited for.
        election_seconds: how long a call is repeated.
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

    async def call(
        self, make: Callable[[JetStreamContext], Awaitable[_Answer]], *, again_after_silence: bool = True
    ) -> _Answer:
        """Return what JetStream answers to the call that ``make`` makes.

        Raises:
            UnconfirmedError: no answer came; it may be done.
            RefusedError: JetStream refused it; it has the error's number.
            UnavailableError: it was surely not done.
            RequestError: it is larger than the bus carries.
        """
        jetstream = self._client().jetstream(timeout=self._ack_seconds)
        give_up = time.monotonic() + self._election_seconds
        silent = False
        while True:
            try:
                return await _translated(make(jetstream))
            except NoLeaderError:
                if time.monotonic() > give_up:
                    if silent:
                        raise UnconfirmedError from None
                    raise
            except UnconfirmedError:
                if not again_after_silence or time.monotonic() > give_up:
                    raise
                silent = True
                continue
            await asyncio.sleep(_AGAIN_SECONDS)

    async def ask(
        self, subject: str, question: dict[str, Any], *, again_after_silence: bool = True
    ) -> dict[str, Any]:
        """Return JetStream's answer as it is, for what nats-py's own calls leave out.

        Raises:
            UnconfirmedError: no answer came; it may be done.
            RefusedError: JetStream refused it.
            UnavailableError: it was surely not done.
        """

        async def request(_: JetStreamContext) -> dict[str, Any]:
            body = json.dumps(question).encode()
            message = await self._client().request(f"$JS.API.{subject}", body, timeout=self._ack_seconds)
            answer: dict[str, Any] = json.loads(message.data)
            if error := answer.get("error"):
                raise APIError.from_error(error)
            return answer

        return await self.call(request, again_after_silence=again_after_silence)

    async def publish(self, subject: str, body: bytes = b"") -> None:
        """Publish a message, and wait for nothing.

        Raises:
            UnavailableError: the bus can't be reached.
        """
        await _translated(self._client().publish(subject, body))


async def _translated(answer: Awaitable[_Answer]) -> _Answer:
    """Await ``answer``, whose errors become the filter's."""
    try:
        return await answer
    except nats.errors.TimeoutError as error:
        raise UnconfirmedError from error
    except nats.errors.MaxPayloadError as error:
        raise RequestError(ErrorCode.TOO_LARGE, "the conversation is larger than the bus carries") from error
    except (NoStreamResponseError, nats.errors.NoRespondersError) as error:
        raise NoLeaderError(str(error)) from error
    except APIError as error:
        # nats-py makes a ServiceUnavailableError without a number of "no responders".
        nobody = isinstance(error, ServiceUnavailableError) and error.err_code is None
        if nobody or error.err_code == _NO_LEADER:
            raise NoLeaderError(str(error)) from error
        raise RefusedError(error.description or str(error), error.err_code) from error
    except nats.errors.Error as error:
        # The connection is closed, or its buffer is full: nothing was sent.
        raise UnavailableError(str(error) or type(error).__name__) from error
