"""What the dead letters need of JetStream on top of the other streams' calls."""

from collections import defaultdict
from typing import Any

from stile_contracts import headers, subjects
from stile_filter.answers import Stored
from stile_filter.dead_letters import GivenUp
from stile_filter.errors import UnavailableError
from stile_filter.streams import NO_CONSUMER, NatsStreams


class NatsDeadLetterStreams(NatsStreams):
    """CHAT, CHAT_RESULT and CHAT_DLQ, with the few calls that the user ``filter`` may make."""

    async def at(self, seq: int) -> Stored | None:
        """Return the message ``seq`` of CHAT, with its subject in ``Nats-Subject``.

        Raises:
            UnconfirmedError: no answer came.
            UnavailableError: it can't be known.
        """
        return await self._got(subjects.CHAT_STREAM, {"seq": seq})

    async def given_up(self) -> list[GivenUp]:
        """Return what CHAT holds and delivers no more.

        A work queue keeps nothing that was acknowledged. So what lies at or below the acknowledged floor of
        its durable consumer was given up; and where nothing of that is in a worker's hand, or is to be
        delivered again, so was all that it has delivered. While something is in hand above the floor, the
        two can't be told apart, and a later look finds it (seen on nats-server 2.15.1, and tested).

        Raises:
            UnconfirmedError: no answer came.
            UnavailableError: it can't be known.
        """
        found = []
        for worker, places in (await self._places()).items():
            info = await self._info(worker)
            # It has as many messages as wait and are in hand: then none was given up.
            if info is None or len(places) <= info["num_pending"] + info["num_ack_pending"]:
                continue
            last = info["ack_floor" if info["num_ack_pending"] else "delivered"]["stream_seq"]
            for place in places:
                stored = await self._get(subjects.CHAT_STREAM, place)
                if stored and (seq := int(stored.headers[headers.NATS_SEQUENCE])) <= last:
                    found.append(GivenUp(seq, info["config"]["max_deliver"]))
        return found

    async def _places(self) -> dict[str, list[str]]:
        """Return the subjects that CHAT holds, by their durable consumers."""
        places: dict[str, list[str]] = defaultdict(list)
        for subject in await self.held():
            try:
                places[subjects.durable(subject)].append(subject)
            except ValueError:
                continue  # no filter approves under such a subject
        return places

    async def _info(self, worker: str) -> dict[str, Any] | None:
        """Return what JetStream says of a durable consumer, or None where there is none."""
        info = await self._ask(f"$JS.API.CONSUMER.INFO.{subjects.CHAT_STREAM}.{worker}")
        error = info.get("error")
        if error is None:
            return info
        if error.get("err_code") == NO_CONSUMER:
            return None  # made when a worker first looks for this client
        raise UnavailableError(str(error.get("description")))
