"""The checks of answers that workers ask for: ``docs/protocol.md``, "The check of an answer"."""

import time
from contextlib import AbstractContextManager
from typing import Protocol

import structlog
from pydantic import ValidationError

from stile_contracts import subjects
from stile_contracts.messages import AnswerCheck, AnswerVerdict, Refusal
from stile_filter.guard.answers import AnswerChecker, Found
from stile_filter.guard.policy import Policy
from stile_filter.requests.own_answers import OwnAnswers
from stile_filter.transport.message import IncomingMessage, OutgoingMessage

LOCATION = "answer"
"""The location of everything that is found in an answer."""

log = structlog.get_logger()


class Guard(Protocol):
    """A policy, and the checker of answers by it: ``policies.guard.Guard``."""

    @property
    def policy(self) -> Policy:
        """The rules."""
        ...

    @property
    def answers(self) -> AnswerChecker:
        """Judges by them."""
        ...


class Guards(Protocol):
    """The policy in use: ``policies.live.LivePolicy``."""

    def lease(self) -> AbstractContextManager[Guard]:
        """Return the guard of one check, from its start to its end."""
        ...


class Observer(Protocol):
    """Counts checks: ``ops.metrics.Metrics``."""

    def answer_checked(self, ended: str, seconds: float) -> None:
        """Count a check that ended as ``released``, ``refused`` or ``failed``."""
        ...

    def answer_refused(self, rule: str) -> None:
        """Count a refused answer by its rule."""
        ...

    def answer_monitored(self, found: Found) -> None:
        """Count what a ``monitor`` rule found."""
        ...


class AnswerChecks:
    """Handles checks.

    Args:
        guards: the policy in use; each check has one policy from its start to its end.
        own: remembers the answers that clients have received.
        observer: counts.
    """

    def __init__(self, guards: Guards, own: OwnAnswers, observer: Observer) -> None:
        self._guards = guards
        self._own = own
        self._observer = observer

    async def handle(self, incoming: IncomingMessage) -> list[OutgoingMessage]:
        """Judge the texts of a check; returns the reply. Never raises.

        A check that can't be read, or whose reply subject is no inbox of answers, gets no reply: on another
        subject a verdict could be taken for an approval.
        """
        if not subjects.is_answer_inbox(incoming.reply_to):
            log.warning("answer_check_dropped", reason="its reply subject is not allowed")
            return []
        started = time.perf_counter()
        try:
            check = AnswerCheck.model_validate_json(incoming.body)
        except ValidationError as error:
            log.warning("answer_check_dropped", reason="not valid", faults=error.error_count())
            return []
        try:
            if check.client is not None:
                remembered = await self._own.remember(check)
                released = [part.released for part in check.parts]
                return [_reply(incoming, AnswerVerdict(release=released, failed=not remembered))]
            with self._guards.lease() as guard:
                verdict = await self._judge(check, guard)
        except Exception as error:  # noqa: BLE001 -- after any fault, nothing is released
            log.error("answer_check_failed", chat_id=str(check.id), error=type(error).__name__)  # noqa: TRY400
            verdict = AnswerVerdict(failed=True)
        ended = "refused" if verdict.refusal else "failed" if verdict.failed else "released"
        self._observer.answer_checked(ended, time.perf_counter() - started)
        return [_reply(incoming, verdict)]

    async def _judge(self, check: AnswerCheck, guard: Guard) -> AnswerVerdict:
        chat_id = str(check.id)
        release = []
        for part in check.parts:
            said = await guard.answers.check(part)
            for found in said.monitored:
                self._observer.answer_monitored(found)
                log.info("monitored", chat_id=chat_id, rule=found.rule.id, place=LOCATION, view=found.view)
            if said.refused:
                rule, view = said.refused.rule, said.refused.view
                self._observer.answer_refused(rule.id)
                log.info("answer_refused", chat_id=chat_id, rule=rule.id, place=LOCATION, view=view)
                return AnswerVerdict(
                    refusal=Refusal(category=rule.category, place=LOCATION),
                    response=guard.policy.refusals.answer,
                    rule=rule.id,
                    view=view,
                )
            if said.failed:
                rule, state = said.failed.rule, said.failed.state
                log.warning("scan_failed", chat_id=chat_id, rule=rule.id, place=LOCATION, state=state)
                return AnswerVerdict(failed=True)
            release.append(said.release)
        return AnswerVerdict(release=release)


def _reply(incoming: IncomingMessage, verdict: AnswerVerdict) -> OutgoingMessage:
    return OutgoingMessage(incoming.reply_to, verdict.model_dump_json(exclude_none=True).encode(), None)
