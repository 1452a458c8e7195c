"""The use case: one request in, the messages to send out. ``docs/protocol.md``, "The filter", is its text."""

import asyncio
import time
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass, field
from uuid import UUID
from weakref import WeakValueDictionary

import structlog

from stile_contracts import headers, models
from stile_contracts.errors import ErrorCode
from stile_contracts.messages import EventLevel, Stage
from stile_filter.admission import answer_checks, conversation, limits
from stile_filter.admission.approval import Approvals, trims
from stile_filter.admission.envelope import Envelope, read_envelope, wanted_events
from stile_filter.admission.ports import Archive, Guard, Guards, Log, Observer, Queue, Signer
from stile_filter.admission.repeats import PendingRequest, Repeats
from stile_filter.admission.results import Results
from stile_filter.errors import RequestError, UnconfirmedError
from stile_filter.guard.decide import FindOwn, State, Verdict
from stile_filter.guard.policy import ClientSystem
from stile_filter.guard.texts import RequestTexts
from stile_filter.store import Approval, Store
from stile_filter.transport.failures import answered
from stile_filter.transport.message import IncomingMessage, OutgoingMessage
from stile_filter.transport.reply import Replies, error_reply
from stile_runtime import tracing
from stile_runtime.fleet import REMEMBERED_SECONDS, Fleet

_MAX_PUBLISHES = 3
"""How often an approval is published if CHAT refused it, and held no such request a moment later."""

_REPEATED = "repeated"
"""The end of a request that was received before."""

log = structlog.get_logger()


@dataclass(slots=True)
class _InFlight:
    """A request that is being decided."""

    replies: Replies
    decided: asyncio.Event = field(default_factory=asyncio.Event)


class Admission:
    """Handles requests.

    Args:
        guards: the policy in use; a request has one policy from its start to its end.
        store: where approvals and results are kept.
        queue: who waits, and for how long.
        fleet: the workers that live, and their models.
        signer: signs approvals.
        signature_fault: returns why the workers would drop an approval now, or None if they would not.
        clock_fault: returns why deadlines can't be compared with this clock, or None if they can.
        observer: counts how requests end.
        archive: keeps texts for the owner, if the policy says so.
        chat_log: the log of what happened.
        find_own: finds answers of Stile's own in a conversation.
        now: the time, in seconds since the Unix epoch.
    """

    def __init__(  # noqa: PLR0913 -- the composition root is its only caller
        self,
        guards: Guards,
        store: Store,
        *,
        queue: Queue,
        fleet: Fleet,
        signer: Signer,
        signature_fault: Callable[[], str | None],
        clock_fault: Callable[[], str | None],
        observer: Observer,
        archive: Archive,
        chat_log: Log,
        find_own: FindOwn,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._guards = guards
        self._store = store
        self._queue = queue
        self._fleet = fleet
        self._signer = signer
        self._repeats = Repeats(store, queue)
        self._results = Results(store, self._repeats, fleet, observer, chat_log)
        self._signature_fault = signature_fault
        self._clock_fault = clock_fault
        self._observer = observer
        self._archive = archive
        self._log = chat_log
        self._find_own = find_own
        self._now = now
        self._in_flight: dict[tuple[UUID, str, str], _InFlight] = {}
        self._turns: WeakValueDictionary[UUID, asyncio.Lock] = WeakValueDictionary()

    async def handle(self, incoming: IncomingMessage) -> list[OutgoingMessage]:
        """Decide over a request and return what its requester is sent. Never raises."""
        started = time.perf_counter()
        ended, messages = await answered("request", incoming, self._handle)
        self._observer.ended(ended, time.perf_counter() - started)
        return messages

    async def _handle(self, incoming: IncomingMessage, replies: Replies) -> str:
        replies.wanted = wanted_events(incoming)
        envelope = read_envelope(incoming, replies.wanted, int(self._now() * 1000))
        replies.chat_id = envelope.id
        with tracing.span("filter", kind="consumer", parent=envelope.traceparent) as span:
            span.set("stile.chat_id", str(envelope.id))
            span.set("stile.client", envelope.client)
            span.set("stile.lane", envelope.lane.value)
            ended = await self._admit(incoming, envelope, replies)
            span.set("stile.outcome", ended)
            return ended

    async def _admit(self, incoming: IncomingMessage, envelope: Envelope, replies: Replies) -> str:
        # The gateway repeats a request that it has no reply to: it is not decided twice at once.
        hand = (envelope.id, envelope.reply_to, envelope.body_sha256)
        if first := self._in_flight.get(hand):
            await first.decided.wait()
            replies.messages = list(first.replies.messages)
            return _REPEATED
        mine = self._in_flight[hand] = _InFlight(replies)
        try:
            async with self._turn(envelope), self._log.failures_of(envelope.address):
                with self._guards.lease() as guard:
                    return await self._decide(incoming, envelope, replies, guard)
        finally:
            del self._in_flight[hand]
            # Those that wait go on at the next turn of the loop, when the reply to an error is made as well.
            mine.decided.set()

    def _turn(self, envelope: Envelope) -> AbstractAsyncContextManager[None]:
        """Have requests under one key decided in turn: CHAT judges only between two of the same subject."""
        return self._turns.setdefault(envelope.id, asyncio.Lock()) if envelope.keyed else nullcontext()

    async def _decide(
        self, incoming: IncomingMessage, envelope: Envelope, replies: Replies, guard: Guard
    ) -> str:
        policy = guard.policy
        request = limits.read_body(incoming.body)
        if request.stream:
            if replies.wanted is EventLevel.ACCEPTED:
                raise RequestError(
                    ErrorCode.INVALID_REQUEST,
                    f"what is answered later is not streamed; leave {headers.CHAT_RESPOND} or this out",
                    param="stream",
                )
            replies.wanted = EventLevel.TOKEN
        if policy.client_system is ClientSystem.AS_USER:
            request = conversation.as_user(request)
        texts = RequestTexts(request, trims=trims(envelope, policy))
        limits.check_limits(request, texts, policy.limits, client_system=policy.client_system)
        limits.check_json(incoming.body)
        if policy.cleans:
            # A thread, so that a long text holds nobody else up.
            texts = await asyncio.to_thread(conversation.cleaned, request, trims=trims(envelope, policy))
            request = texts.request
        approvals = Approvals(policy, self._signer)
        pending = PendingRequest(request, texts, envelope, replies, policy, guard.decider, approvals)
        # Under its key a request has one result or one place in CHAT, whatever lane and model a repeat names.
        if envelope.keyed and (
            await self._repeats.reply_with_result(pending) or await self._repeats.reply_accepted(pending)
        ):
            return _REPEATED
        if (reason := self._clock_fault()) is not None:
            return await self._withhold(pending, reason)
        if self._is_late(envelope):
            return await self._expire(pending)
        model = limits.model_of(request)
        if model is not None and await self._fleet.lacks(model):
            return await self._turn_away(pending, self._no_such_model())
        retry_after = self._queue.claim(envelope.subject, envelope.client)
        if retry_after is not None:
            full = RequestError(
                ErrorCode.CLIENT_QUEUE_FULL,
                "as many of your requests are waiting as there is room for; try again later",
                retry_after=retry_after,
            )
            return await self._turn_away(pending, full)
        try:
            return await self._check(pending, incoming.body)
        finally:
            self._queue.release(envelope.subject, envelope.client)

    async def _check(self, pending: PendingRequest, body: bytes) -> str:
        envelope = pending.envelope
        verdict = await pending.decider.decide(
            pending.texts,
            envelope.client,
            is_late=lambda: self._is_late(envelope),
            find_own=self._find_own,
        )
        if verdict.own:
            self._observer.own_answers(len(verdict.own))
            texts = pending.texts.without(verdict.own)
            pending = pending._replace(texts=texts, request=texts.request)
        self._archive.keep(pending.policy, envelope.client, envelope.id, body, verdict)
        if self._is_late(envelope):
            return await self._expire(pending)
        if verdict.state is State.ALLOW:
            reason = self._signature_fault() or answer_checks.fault(pending.policy, self._fleet)
            if reason is not None:
                return await self._withhold(pending, reason)
            return await self._approve(pending)
        if verdict.state is State.REFUSE:
            return "refused" if await self._results.refuse(pending, verdict) else _REPEATED
        return await self._fail(pending, verdict)

    def _is_late(self, envelope: Envelope) -> bool:
        return envelope.deadline_ms <= self._now() * 1000

    async def _expire(self, pending: PendingRequest) -> str:
        """Store that its deadline passed; if it was approved before, that is for the workers to do."""
        if await self._repeats.reply_accepted(pending):
            return _REPEATED
        error = RequestError(
            ErrorCode.DEADLINE_EXCEEDED, "its deadline passed while it was checked", stage=Stage.FILTER
        )
        if await self._results.store(error_reply(error, pending.envelope.id), pending):
            raise error
        return _REPEATED

    async def _withhold(self, pending: PendingRequest, reason: str) -> str:
        """Approve nothing that would be dropped, end at a wrong time or be answered unchecked.

        A repeat is still answered.
        """
        if await self._repeats.reply_accepted(pending):
            return _REPEATED
        log.warning("approval_withheld", chat_id=str(pending.envelope.id), reason=reason)
        raise RequestError(ErrorCode.FILTER_ERROR, "this filter may approve nothing now; try again later")

    async def _turn_away(self, pending: PendingRequest, error: RequestError) -> str:
        """Refuse it with ``error``, unless it is a repeat of what has a place in CHAT, or a result."""
        if await self._repeats.reply_accepted(pending) or await self._repeats.reply_with_result(pending):
            return _REPEATED
        raise error

    def _no_such_model(self) -> RequestError:
        known = ", ".join(self._fleet.model_names(REMEMBERED_SECONDS)) or "none yet"
        return RequestError(
            ErrorCode.MODEL_NOT_FOUND,
            f"no worker has this model; use one of these: {known}; or {models.WHICHEVER}, for any model",
            param="model",
        )

    async def _approve(self, pending: PendingRequest) -> str:
        replies = pending.replies
        signed = pending.approvals.message(pending.request, pending.envelope, replies.wanted)
        for _ in range(_MAX_PUBLISHES):
            approval = await self._store.approve(*signed)
            if approval is Approval.FULL:
                raise RequestError(
                    ErrorCode.QUEUE_FULL,
                    "too many requests are waiting; try again later",
                    retry_after=self._queue.retry_after(),
                )
            if approval is Approval.STORED:
                replies.accepted(
                    self._queue.accepted(
                        pending.approvals.subscription(
                            pending.request, pending.texts, pending.envelope, replies.wanted
                        )
                    )
                )
                return "accepted"
            if await self._repeats.reply_accepted(pending):
                return _REPEATED
        raise UnconfirmedError

    async def _fail(self, pending: PendingRequest, verdict: Verdict) -> str:
        rule = verdict.rule.id if verdict.rule else None
        log.warning("scan_failed", chat_id=str(pending.envelope.id), rule=rule, state=verdict.state)
        # What was approved before stays so; a scanner's bad moment does not take that back.
        if await self._repeats.reply_accepted(pending):
            return _REPEATED
        if verdict.state is State.TOO_SLOW:
            raise RequestError(
                ErrorCode.TOO_LARGE,
                "a text takes longer to check than it may; make it shorter or simpler",
                rule=rule,
            )
        if verdict.state is State.TIMEOUT:
            raise RequestError(ErrorCode.FILTER_TIMEOUT, "the check took too long; try again", rule=rule)
        raise RequestError(ErrorCode.FILTER_ERROR, "the check could not be made; try again", rule=rule)
