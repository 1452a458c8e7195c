"""The use case: one request in, the messages to send out. ``docs/protocol.md``, "The filter", is its text."""

import asyncio
import time
import traceback
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass, field
from uuid import UUID
from weakref import WeakValueDictionary

import structlog

from stile_contracts import headers, models, subjects
from stile_contracts.errors import ErrorCode
from stile_contracts.messages import ErrorReply, EventLevel, Refusal, Reply, Stage
from stile_filter import request as requests
from stile_filter.answers import Answers, Outgoing, error_reply, to_json
from stile_filter.approvals import Approvals
from stile_filter.decide import Decider, State, Verdict
from stile_filter.errors import BusError, RequestError, UnconfirmedError
from stile_filter.policy import Policy
from stile_filter.ports import Approval, Observer, Queue, Signer, Streams
from stile_filter.repeats import Asked, Repeats
from stile_filter.request import Envelope, Incoming
from stile_runtime.fleet import REMEMBERED_SECONDS, Fleet

_MAX_PUBLISHES = 3
"""How often an approval is published where its place was taken, and free again when it was looked at."""

_REPEATED = "repeated"
"""The end of a request that was asked before."""

log = structlog.get_logger()


@dataclass(slots=True)
class _InHand:
    """A request that is being decided."""

    answers: Answers
    decided: asyncio.Event = field(default_factory=asyncio.Event)


class Handler:
    """Handles requests.

    Args:
        policy: limits, system prompt, refusal texts.
        decider: the policy's rules.
        streams: where approvals and outcomes are kept.
        queue: who waits, and for how long.
        fleet: the workers that live, and their models.
        signer: signs approvals.
        doubt: says why the workers would drop an approval now, or None where they would not.
        observer: told of every request's end.
        now: the time, in seconds since the Unix epoch.
    """

    def __init__(  # noqa: PLR0913 -- the composition root is its only caller
        self,
        policy: Policy,
        decider: Decider,
        streams: Streams,
        *,
        queue: Queue,
        fleet: Fleet,
        signer: Signer,
        doubt: Callable[[], str | None],
        observer: Observer,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._policy = policy
        self._decider = decider
        self._streams = streams
        self._queue = queue
        self._fleet = fleet
        self._approvals = Approvals(policy, signer)
        self._repeats = Repeats(streams, queue, self._approvals)
        self._doubt = doubt
        self._observer = observer
        self._now = now
        self._in_hand: dict[tuple[UUID, str, str], _InHand] = {}
        self._turns: WeakValueDictionary[UUID, asyncio.Lock] = WeakValueDictionary()

    async def handle(self, incoming: Incoming) -> list[Outgoing]:
        """Decide over a request and return what its requester is to be sent. Never raises."""
        started = time.perf_counter()
        answers = Answers(incoming.reply_to)
        try:
            outcome = await self._handle(incoming, answers)
        except RequestError as error:
            outcome = error.code.value
            answers.error(error)
        except UnconfirmedError:
            # It may be stored, so nothing may be said; the requester repeats.
            outcome = "unconfirmed"
            log.warning("request_unconfirmed", chat_id=str(answers.chat_id))
        except BusError as error:
            outcome = ErrorCode.BUS_UNAVAILABLE.value
            log.warning("bus_unavailable", chat_id=str(answers.chat_id), reason=str(error))
            answers.error(RequestError(ErrorCode.BUS_UNAVAILABLE, "the bus can't store this now; try again"))
        except Exception as error:  # noqa: BLE001 -- the last resort: no request is left without an answer
            outcome = ErrorCode.INTERNAL.value
            at = traceback.extract_tb(error.__traceback__)[-1]
            log.error(  # noqa: TRY400 -- an exception's own text may hold the request's
                "request_failed",
                chat_id=str(answers.chat_id),
                error=type(error).__name__,
                at=f"{at.filename}:{at.lineno}",
            )
            answers.error(RequestError(ErrorCode.INTERNAL, "the filter failed; the request was not approved"))
        self._observer.ended(outcome, time.perf_counter() - started)
        return answers.said

    async def _handle(self, incoming: Incoming, answers: Answers) -> str:
        if not subjects.is_reply_allowed(incoming.reply_to):
            # The place to answer is the attack.
            log.warning("reply_subject_refused", subject=incoming.subject, reply_to=incoming.reply_to[:256])
            return "dropped"
        answers.wanted = requests.wanted_events(incoming)
        envelope = requests.read_envelope(incoming, answers.wanted, int(self._now() * 1000))
        answers.chat_id = envelope.id
        # The gateway repeats what it has heard nothing of: what is being decided is not decided twice.
        hand = (envelope.id, envelope.reply_to, envelope.body_sha256)
        if first := self._in_hand.get(hand):
            await first.decided.wait()
            answers.said = list(first.answers.said)
            return _REPEATED
        mine = self._in_hand[hand] = _InHand(answers)
        try:
            async with self._turn(envelope):
                return await self._decide(incoming, envelope, answers)
        finally:
            del self._in_hand[hand]
            # Whoever waits goes on at the next turn of the loop, when an error's answer is made as well.
            mine.decided.set()

    def _turn(self, envelope: Envelope) -> AbstractAsyncContextManager[None]:
        """Have requests under one key decided in turn: CHAT judges only between two of the same subject."""
        return self._turns.setdefault(envelope.id, asyncio.Lock()) if envelope.keyed else nullcontext()

    async def _decide(self, incoming: Incoming, envelope: Envelope, answers: Answers) -> str:
        request = requests.read_body(incoming.body)
        if request.stream:
            if answers.wanted is EventLevel.ACCEPTED:
                raise RequestError(
                    ErrorCode.INVALID_REQUEST,
                    f"what is answered later is not streamed; leave {headers.CHAT_RESPOND} or this out",
                    param="stream",
                )
            answers.wanted = EventLevel.TOKEN
        requests.check_limits(request, self._policy.limits, allow_system=self._policy.allow_system)
        asked = Asked(request, envelope, answers)
        # Under its key a request has one outcome or one place, whichever lane and model it is sent to again.
        if envelope.keyed and (await self._repeats.settled(asked) or await self._repeats.waits(asked)):
            return _REPEATED
        if self._is_late(envelope):
            return await self._expire(asked)
        model = requests.model_of(request)
        if model is not None and await self._fleet.lacks(model):
            return await self._turn_away(asked, self._no_such_model())
        retry_after = self._queue.claim(envelope.place, envelope.client)
        if retry_after is not None:
            full = RequestError(
                ErrorCode.CLIENT_QUEUE_FULL,
                "as many of your requests are waiting as there is room for; try again later",
                retry_after=retry_after,
            )
            return await self._turn_away(asked, full)
        try:
            return await self._check(asked)
        finally:
            self._queue.release(envelope.client)

    async def _check(self, asked: Asked) -> str:
        verdict = await self._decider.decide(asked.request)
        if self._is_late(asked.envelope):
            return await self._expire(asked)
        if verdict.state is State.ALLOW:
            if (reason := self._doubt()) is not None:
                return await self._withhold(asked, reason)
            return await self._approve(asked)
        if verdict.state is State.REFUSE:
            return await self._refuse(asked, verdict)
        return await self._fail(asked, verdict)

    def _is_late(self, envelope: Envelope) -> bool:
        return envelope.deadline_ms <= self._now() * 1000

    async def _expire(self, asked: Asked) -> str:
        """Settle what nobody waits for any more; what was approved before is the workers' to settle."""
        if await self._repeats.waits(asked):
            return _REPEATED
        error = RequestError(
            ErrorCode.DEADLINE_EXCEEDED, "its deadline passed while it was checked", stage=Stage.FILTER
        )
        if await self._settle(error_reply(error, asked.envelope.id), asked):
            raise error
        return _REPEATED

    async def _withhold(self, asked: Asked, reason: str) -> str:
        """Approve nothing that the workers would drop; what was approved before is theirs already."""
        if await self._repeats.waits(asked):
            return _REPEATED
        log.warning("approval_withheld", chat_id=str(asked.envelope.id), reason=reason)
        raise RequestError(
            ErrorCode.FILTER_ERROR, "nobody would take the request up as things are; try again later"
        )

    async def _turn_away(self, asked: Asked, error: RequestError) -> str:
        """Refuse a place, with ``error``, unless this is a repeat of what has one, or its outcome."""
        if await self._repeats.waits(asked) or await self._repeats.settled(asked):
            return _REPEATED
        raise error

    def _no_such_model(self) -> RequestError:
        known = ", ".join(self._fleet.model_names(REMEMBERED_SECONDS)) or "none that is known yet"
        return RequestError(
            ErrorCode.MODEL_NOT_FOUND,
            f"no worker has this model; there are: {known}; {models.WHICHEVER} is whichever is idle",
            param="model",
        )

    async def _approve(self, asked: Asked) -> str:
        request, envelope, answers = asked
        signed = self._approvals.message(request, envelope, answers.wanted)
        for _ in range(_MAX_PUBLISHES):
            approval = await self._streams.approve(*signed)
            if approval is Approval.FULL:
                raise RequestError(
                    ErrorCode.QUEUE_FULL,
                    "too many requests are waiting; try again later",
                    retry_after=self._queue.retry_after(),
                )
            if approval is Approval.STORED:
                answers.accepted(
                    self._queue.accepted(self._approvals.ticket(request, envelope, answers.wanted))
                )
                return "accepted"
            if await self._repeats.waits(asked):
                return _REPEATED
        raise UnconfirmedError

    async def _refuse(self, asked: Asked, verdict: Verdict) -> str:
        if verdict.rule is None or verdict.place is None:
            raise AssertionError("a refusal has a rule and a place")
        category, chat_id = verdict.rule.category, asked.envelope.id
        reply = Reply(
            response=asked.request.refusal_message or self._policy.refusal(category),
            id=chat_id,
            refused=True,
            finish_reason="content_filter",
            refusal=Refusal(category=category, place=verdict.place),
        )
        log.info("request_refused", chat_id=str(chat_id), rule=verdict.rule.id, place=verdict.place)
        if await self._settle(reply, asked):
            asked.answers.done(reply)
            return "refused"
        return _REPEATED

    async def _settle(self, outcome: Reply | ErrorReply, asked: Asked) -> bool:
        """Store an outcome; where there was one before, answer by that, and return False."""
        envelope = asked.envelope
        stored_headers = {
            headers.CHAT_ID: str(envelope.id),
            headers.CHAT_BODY_SHA256: envelope.body_sha256,
            headers.CHAT_POLICY: self._policy.version,
        }
        if await self._streams.settle(envelope.result_subject, to_json(outcome), stored_headers):
            return True
        if not await self._repeats.settled(asked):
            raise UnconfirmedError
        return False

    async def _fail(self, asked: Asked, verdict: Verdict) -> str:
        rule = verdict.rule.id if verdict.rule else None
        log.warning("scan_failed", chat_id=str(asked.envelope.id), rule=rule, state=verdict.state)
        # What was approved before stays so; a scanner's bad moment does not take that back.
        if await self._repeats.waits(asked):
            return _REPEATED
        if verdict.state is State.TIMEOUT:
            raise RequestError(ErrorCode.FILTER_TIMEOUT, "the check took too long; try again")
        raise RequestError(ErrorCode.FILTER_ERROR, "the check could not be made; try again")
