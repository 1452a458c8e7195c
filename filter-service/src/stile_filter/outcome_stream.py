"""What the clients' shares need of CHAT_RESULT: its size, what it holds, and a purge."""

import contextlib
import json
import math
import uuid
from collections.abc import AsyncIterator
from datetime import datetime

import nats.errors

from stile_contracts import subjects
from stile_filter.errors import UnavailableError
from stile_filter.outcome_shares import Filled, Outcome, Owner
from stile_filter.streams import NatsStreams

_BATCH = 500
_BATCH_SECONDS = 5.0
_OVERHEAD = 256
"""Bytes of an outcome's subject, headers and record beside its body (seen on nats-server 2.15.1)."""
_SIZE = "Nats-Msg-Size"
_FORGOTTEN_NANOSECONDS = 30 * 10**9


class NatsOutcomes(NatsStreams):
    """CHAT_RESULT, with the few calls that the user ``filter`` may make."""

    async def filled(self) -> Filled:
        """Tell how full the stream is.

        Raises:
            UnconfirmedError: no answer came.
            UnavailableError: it can't be known.
        """
        info = await self._ask(f"$JS.API.STREAM.INFO.{subjects.RESULT_STREAM}")
        if error := info.get("error"):
            raise UnavailableError(str(error.get("description")))
        most, state = info["config"].get("max_bytes", -1), info["state"]
        now = datetime.fromisoformat(info["ts"]).timestamp()
        return Filled(state["bytes"], most if most >= 0 else math.inf, now)

    async def owners(self) -> set[Owner]:
        """Return whose requests CHAT holds.

        Raises:
            UnconfirmedError: no answer came.
            UnavailableError: it can't be known.
        """
        found = set()
        for subject in await self.held():
            with contextlib.suppress(ValueError):  # no filter approves under such a subject
                place = subjects.parse_approved(subject)
                found.add((place.client, place.id))
        return found

    async def outcomes(self) -> AsyncIterator[Outcome]:
        """Give all outcomes, the oldest first: their headers alone are read.

        Raises:
            UnconfirmedError: no answer came.
            UnavailableError: they can't be read.
        """
        name = f"shares-{uuid.uuid4().hex}"
        consumer = {
            "name": name,
            "deliver_policy": "all",
            "ack_policy": "none",
            "headers_only": True,
            "mem_storage": True,
            "num_replicas": 1,
            "inactive_threshold": _FORGOTTEN_NANOSECONDS,
        }
        body = json.dumps({"stream_name": subjects.RESULT_STREAM, "config": consumer}).encode()
        made = await self._ask(f"$JS.API.CONSUMER.CREATE.{subjects.RESULT_STREAM}.{name}", body)
        if error := made.get("error"):
            raise UnavailableError(str(error.get("description")))
        try:
            pull = await self._client().jetstream().pull_subscribe_bind(name, subjects.RESULT_STREAM)
            try:
                left = int(made["num_pending"])
                while left:
                    for message in await pull.fetch(_BATCH, timeout=_BATCH_SECONDS):
                        left = message.metadata.num_pending
                        client, chat_id = _owner(message.subject)
                        size = int((message.headers or {}).get(_SIZE, 0)) + _OVERHEAD
                        stored = message.metadata.timestamp.timestamp()
                        yield Outcome((client, chat_id), message.metadata.sequence.stream, size, stored)
            finally:
                await pull.unsubscribe()
        except nats.errors.Error as error:
            raise UnavailableError(str(error) or type(error).__name__) from error

    async def purge(self, client: str, before: int) -> None:
        """Remove those of a client's outcomes whose numbers are less than ``before``.

        Raises:
            UnconfirmedError: no answer came; they may be removed.
            UnavailableError: they can't be removed.
        """
        body = json.dumps({"filter": subjects.results_of(client), "seq": before}).encode()
        answer = await self._ask(f"$JS.API.STREAM.PURGE.{subjects.RESULT_STREAM}", body)
        if error := answer.get("error"):
            raise UnavailableError(str(error.get("description")))


def _owner(subject: str) -> Owner:
    _, _, client, chat_id = subject.split(".")
    return client, uuid.UUID(chat_id)
