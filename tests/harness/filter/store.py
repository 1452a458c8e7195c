"""The filter's store in memory.

``filter-service/tests/bus/test_store.py`` holds it to the same answers as the store on nats-server.
"""

import math
import time
from collections import Counter
from uuid import UUID

from stile_contracts import subjects
from stile_filter.store import (
    Approval,
    ChatLook,
    ResultRecord,
    ResultRoom,
    Room,
    StoredMessage,
    UndeliverableMessage,
)


class FakeStore:
    """CHAT, CHAT_RESULT and CHAT_DLQ in memory, with their limits, and what a worker does with CHAT.

    Args:
        places: how many requests CHAT may hold.
        chat_bytes: how many bytes of bodies CHAT may hold.
        result_bytes: how many bytes of bodies CHAT_RESULT may hold.
    """

    def __init__(self, places=1000, chat_bytes=math.inf, result_bytes=math.inf):
        self.places, self.chat_bytes, self.result_bytes = places, chat_bytes, result_bytes
        self.chat, self.results, self.dead = {}, {}, {}
        self.written = set()
        """By subject, the oldest first."""
        self.steps = []
        """What was written, removed or published, in order: an event by its subject."""
        self.woken_for = []
        """The requests that workers were told about."""
        self.fails = self.fails_at = None
        """An error, and the one step that raises it; without a step each does, and each read of a result."""
        self.before = {}
        """By the name of a method: what happens elsewhere just before it, each time."""
        self._last = Counter()
        self._delivered = {}
        self._given_up = {}

    def hold(self, subject, message_headers=(), body=b"", *, seq=1):
        """Have CHAT hold a request that was approved before."""
        self.chat[subject] = StoredMessage(dict(message_headers), body, subject, seq)
        self._last["approve"] = max(seq, self._last["approve"])
        return self.chat[subject]

    # What a worker does.

    def deliver(self, subject):
        """Hand a request to a worker."""
        self._delivered[subjects.durable(subject)] = self.chat[subject].seq

    def acknowledge(self, subject):
        """Have a worker be done with a request."""
        del self.chat[subject]

    def give_up(self, subject, deliveries):
        """Deliver a request no more."""
        self._given_up[self.chat[subject].seq] = deliveries

    # The protocol's methods.

    async def approve(self, subject, body, message_headers):
        self._happens("approve")
        if subject in self.chat:
            return Approval.TAKEN
        taken = sum(len(held.body) for held in self.chat.values())
        if len(self.chat) >= self.places or taken + len(body) > self.chat_bytes:
            return Approval.FULL
        self._put("approve", self.chat, subject, body, message_headers)
        await self.notify(subjects.WAKE)
        self.woken_for.append(subject)
        return Approval.STORED

    async def waiting(self, client, chat_id):
        self._happens("waiting")
        for subject, held in self.chat.items():
            if f".{client}.{chat_id}." in f"{subject}.":
                return held
        return None

    async def at(self, seq):
        return next((held for held in self.chat.values() if held.seq == seq), None)

    async def is_delivered(self, request):
        last = self._delivered.get(subjects.durable(request.subject), 0)
        return request.seq <= last or request.seq in self._given_up

    async def remove(self, seq):
        self._happens("remove")
        held = await self.at(seq)
        if held is None:
            return False
        self.step("remove")
        del self.chat[held.subject]
        return True

    async def look(self):
        taken = sum(len(held.body) for held in self.chat.values())
        return ChatLook(list(self.chat), Room(self.places, taken / self.chat_bytes), time.time())

    async def given_up(self):
        self.step("given_up")
        held = sorted(request.seq for request in self.chat.values())
        return [UndeliverableMessage(seq, self._given_up[seq]) for seq in held if seq in self._given_up]

    async def result(self, client, chat_id):
        self._happens("result")
        if self.fails and self.fails_at is None:
            raise self.fails
        return self.results.get(subjects.result(client, chat_id))

    async def store_result(self, client, chat_id, body, message_headers):
        self._happens("store_result")
        return self._put("result", self.results, subjects.result(client, chat_id), body, message_headers)

    async def store_dead_letter(self, address, body, message_headers):
        self._happens("store_dead_letter")
        return self._put("dead", self.dead, subjects.dead(*address), body, message_headers)

    async def result_room(self):
        size = sum(len(held.body) for held in self.results.values())
        return ResultRoom(size, self.result_bytes, time.time())

    async def result_records(self):
        for subject, held in sorted(self.results.items(), key=lambda one: one[1].seq):
            _, _, client, chat_id = subject.split(".")
            yield ResultRecord((client, UUID(chat_id)), held.seq, len(held.body), time.time())

    async def purge_results(self, client, before):
        prefix = subjects.results_of(client).removesuffix("*")
        self.step("purge")
        for subject, held in list(self.results.items()):
            if subject.startswith(prefix) and held.seq < before:
                del self.results[subject]

    async def remember(self, client, tag):
        self.step("remember")
        self.written.add(subjects.written(client, tag))

    async def remembers(self, client, tag):
        self._happens("remembers")
        return subjects.written(client, tag) in self.written

    async def notify(self, subject):
        self.step(subject)

    def step(self, name):
        """Write ``name`` down, unless it fails."""
        if self.fails and self.fails_at in (None, name):
            raise self.fails
        self.steps.append(name)

    def _happens(self, method):
        if method in self.before:
            self.before[method]()

    def _put(self, name, stream, subject, body, message_headers):
        """Store a message if there is none under ``subject``; no number is given twice."""
        if subject in stream:
            return False
        self.step(name)
        self._last[name] += 1
        stream[subject] = StoredMessage(dict(message_headers), body, subject, self._last[name])
        return True
