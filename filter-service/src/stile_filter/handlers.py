"""The use case: one request in, the messages to send out. ``docs/protocol.md``, "The filter", is its text."""

import asyncio
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from uuid import UUID

import structlog

from stile_contracts import headers, subjects
from stile_contracts.errors import ErrorCode
from stile_contracts.messages import (
    ChatRequest,
    ErrorReply,
    Refusal,
    Reply,
    Stage,
    Wanted,
)
from stile_filter import request as requests
from stile_filter.answers import Answers, Outgoing, Stored, error_reply, to_json
from stile_filter.approvals import Approvals
from stile_filter.decide import Decider, State, Verdict
from stile_filter.errors import BusError, RequestError, UnconfirmedError
from stile_filter.policy import Policy
from stile_filter.ports import Approval, Observer, Queue, Signer, Streams
from stile_filter.request import Envelope, Incoming

_MAX_PUBLISHES = 3
"""How often an approval is published where its place was taken, and free again when it was looked at."""

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
        signer: Signer,
        doubt: Callable[[], str | None],
        observer: Observer,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._policy = policy
        self._decider = decider
        self._streams = streams
        self._queue = queue
        self._approvals = Approvals(policy, signer)
        self._doubt = doubt
        self._observer = observer
        self._now = now
        self._in_hand: dict[tuple[UUID, str, str], _InHand] = {}

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
            return "repeated"
        mine = self._in_hand[hand] = _InHand(answers)
        try:
            return await self._decide(incoming, envelope, answers)
        finally:
            del self._in_hand[hand]
            # Whoever waits goes on at the next turn of the loop, when an error's answer is made as well.
            mine.decided.set()

    async def _decide(self, incoming: Incoming, envelope: Envelope, answers: Answers) -> str:
        request = requests.read_body(incoming.body)
        if request.stream:
            answers.wanted = Wanted.TOKEN
        requests.check_limits(request, self._policy.limits, allow_system=self._policy.allow_system)
        if envelope.keyed and (told := await self._told_before(request, envelope, answers)):
            return told
        if self._is_late(envelope):
            return await self._expire(request, envelope, answers)
        retry_after = self._queue.claim(envelope.approved_subject, envelope.client)
        if retry_after is not None:
            return await self._turn_away(request, retry_after, envelope, answers)
        try:
            return await self._check(request, envelope, answers)
        finally:
            self._queue.release(envelope.client)

    async def _check(self, request: ChatRequest, envelope: Envelope, answers: Answers) -> str:
        verdict = await self._decider.decide(request)
        if self._is_late(envelope):
            return await self._expire(request, envelope, answers)
        if verdict.state is State.ALLOW:
            if (reason := self._doubt()) is not None:
                return await self._withhold(request, reason, envelope, answers)
            return await self._approve(request, envelope, answers)
        if verdict.state is State.REFUSE:
            return await self._refuse(request, verdict, envelope, answers)
        return await self._fail(request, verdict, envelope, answers)

    async def _told_before(self, request: ChatRequest, envelope: Envelope, answers: Answers) -> str | None:
        """Answer what was asked under its key before."""
        stored = await self._streams.outcome(envelope.result_subject)
        if stored:
            return self._repeat(stored, envelope, answers)
        # Under its key a request has one place, whichever lane it is sent to again.
        for other in envelope.in_other_lanes:
            if waiting := await self._streams.waiting(other.approved_subject):
                return self._already(request, waiting, other, answers)
        return None

    def _is_late(self, envelope: Envelope) -> bool:
        return envelope.deadline_ms <= self._now() * 1000

    async def _expire(self, request: ChatRequest, envelope: Envelope, answers: Answers) -> str:
        """Settle what nobody waits for any more; what was approved before is the workers' to settle."""
        if waiting := await self._streams.waiting(envelope.approved_subject):
            return self._already(request, waiting, envelope, answers)
        error = RequestError(
            ErrorCode.DEADLINE_EXCEEDED, "its deadline passed while it was checked", stage=Stage.FILTER
        )
        if stored := await self._settle(error_reply(error, envelope.id), envelope):
            return self._repeat(stored, envelope, answers)
        raise error

    async def _withhold(self, request: ChatRequest, reason: str, envelope: Envelope, answers: Answers) -> str:
        """Approve nothing that the workers would drop; what was approved before is theirs already."""
        if waiting := await self._streams.waiting(envelope.approved_subject):
            return self._already(request, waiting, envelope, answers)
        log.warning("approval_withheld", chat_id=str(envelope.id), reason=reason)
        raise RequestError(
            ErrorCode.FILTER_ERROR, "nobody would take the request up as things are; try again later"
        )

    async def _turn_away(
        self, request: ChatRequest, retry_after: float, envelope: Envelope, answers: Answers
    ) -> str:
        """Refuse a place to a client that has too many, unless this is a repeat of what has one."""
        if waiting := await self._streams.waiting(envelope.approved_subject):
            return self._already(request, waiting, envelope, answers)
        if stored := await self._streams.outcome(envelope.result_subject):
            return self._repeat(stored, envelope, answers)
        raise RequestError(
            ErrorCode.CLIENT_QUEUE_FULL,
            "too many of your requests are waiting; try again later",
            retry_after=retry_after,
        )

    async def _approve(self, request: ChatRequest, envelope: Envelope, answers: Answers) -> str:
        body, message_headers = self._approvals.message(request, envelope, answers.wanted)
        for _ in range(_MAX_PUBLISHES):
            approval = await self._streams.approve(envelope.approved_subject, body, message_headers)
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
            waiting = await self._streams.waiting(envelope.approved_subject)
            if waiting:
                return self._already(request, waiting, envelope, answers)
        raise UnconfirmedError

    async def _refuse(
        self, request: ChatRequest, verdict: Verdict, envelope: Envelope, answers: Answers
    ) -> str:
        if verdict.rule is None or verdict.place is None:
            raise AssertionError("a refusal has a rule and a place")
        category = verdict.rule.category
        reply = Reply(
            response=request.refusal_message or self._policy.refusal(category),
            id=envelope.id,
            refused=True,
            finish_reason="content_filter",
            refusal=Refusal(category=category, place=verdict.place),
        )
        log.info("request_refused", chat_id=str(envelope.id), rule=verdict.rule.id, place=verdict.place)
        if stored := await self._settle(reply, envelope):
            return self._repeat(stored, envelope, answers)
        answers.done(reply)
        return "refused"

    async def _settle(self, outcome: Reply | ErrorReply, envelope: Envelope) -> Stored | None:
        """Store an outcome; return the one that was there before, where there was one."""
        stored_headers = {
            headers.CHAT_ID: str(envelope.id),
            headers.CHAT_BODY_SHA256: envelope.body_sha256,
            headers.CHAT_POLICY: self._policy.version,
        }
        if await self._streams.settle(envelope.result_subject, to_json(outcome), stored_headers):
            return None
        stored = await self._streams.outcome(envelope.result_subject)
        if stored is None:
            raise UnconfirmedError
        return stored

    async def _fail(
        self, request: ChatRequest, verdict: Verdict, envelope: Envelope, answers: Answers
    ) -> str:
        rule = verdict.rule.id if verdict.rule else None
        log.warning("scan_failed", chat_id=str(envelope.id), rule=rule, state=verdict.state)
        waiting = await self._streams.waiting(envelope.approved_subject)
        if waiting:
            # It was approved before; a scanner's bad moment does not take that back.
            return self._already(request, waiting, envelope, answers)
        if verdict.state is State.TIMEOUT:
            raise RequestError(ErrorCode.FILTER_TIMEOUT, "the check took too long; try again")
        raise RequestError(ErrorCode.FILTER_ERROR, "the check could not be made; try again")

    def _repeat(self, stored: Stored, envelope: Envelope, answers: Answers) -> str:
        _same_body(stored, envelope)
        answers.stored(stored)
        return "repeated"

    def _already(self, request: ChatRequest, waiting: Stored, envelope: Envelope, answers: Answers) -> str:
        _same_body(waiting, envelope)
        # A direct client's own request, published again because its confirmation was lost, is no second one.
        if not envelope.from_gateway and waiting.headers.get(headers.CHAT_REPLY_TO) != envelope.reply_to:
            raise RequestError(
                ErrorCode.IN_PROGRESS,
                "a request under this key waits or runs; its answer goes to the first one's reply subject",
            )
        answers.accepted(self._queue.accepted(self._approvals.ticket(request, envelope, answers.wanted)))
        return "repeated"


def _same_body(stored: Stored, envelope: Envelope) -> None:
    # What was cancelled before it was approved has no digest: it is cancelled, whatever was asked.
    if stored.headers.get(headers.CHAT_BODY_SHA256, envelope.body_sha256) != envelope.body_sha256:
        raise RequestError(
            ErrorCode.KEY_CONFLICT,
            "another request was sent under this key; use a new key for a new request",
            param=headers.CHAT_KEY if envelope.keyed else headers.CHAT_ID,
        )
