"""The results that the filter itself gives: a refusal, or a deadline that has passed."""

import structlog

from stile_contracts import headers, models
from stile_contracts.messages import ErrorReply, Refusal, Reply
from stile_filter.admission import limits
from stile_filter.admission.ports import Log, Observer
from stile_filter.admission.repeats import PendingRequest, Repeats
from stile_filter.errors import UnconfirmedError
from stile_filter.guard.decide import Verdict
from stile_filter.store import Store
from stile_filter.transport.reply import outcome_of, to_json
from stile_runtime import tracing
from stile_runtime.fleet import REMEMBERED_SECONDS, Fleet

log = structlog.get_logger()


class Results:
    """Stores and sends them.

    Args:
        store: where results are kept.
        repeats: replies with a result that is there already.
        fleet: the workers' models.
        observer: counts refusals.
        chat_log: the log of what happened.
    """

    def __init__(
        self, store: Store, repeats: Repeats, fleet: Fleet, observer: Observer, chat_log: Log
    ) -> None:
        self._store = store
        self._repeats = repeats
        self._fleet = fleet
        self._observer = observer
        self._log = chat_log

    async def refuse(self, pending: PendingRequest, verdict: Verdict) -> bool:
        """Refuse a request. If it has a result already, reply with that, and return False.

        Raises:
            BusError: the result could not be stored.
        """
        if verdict.rule is None or verdict.location is None:
            raise AssertionError("a refusal has a rule and a place")
        category, chat_id = verdict.rule.category, pending.envelope.id
        reply = Reply(
            response=pending.request.refusal_message or pending.policy.refusal(category),
            id=chat_id,
            refused=True,
            finish_reason="content_filter",
            refusal=Refusal(category=category, place=verdict.location),
        )
        self._observer.refused(verdict.rule)
        tracing.note("stile.rule", verdict.rule.id)
        tracing.note("stile.place", verdict.location)
        log.info(
            "request_refused",
            chat_id=str(chat_id),
            client=pending.envelope.client,
            rule=verdict.rule.id,
            view=verdict.view,
            place=verdict.location,
            policy=pending.policy.version,
        )
        if not await self.store(reply, pending):
            return False
        pending.replies.done(reply)
        await self._log.write(
            pending.envelope.address,
            "refused",
            place=verdict.location,
            rule=verdict.rule.id,
            view=verdict.view,
            model=self._known_model(pending),
        )
        return True

    async def store(self, outcome: Reply | ErrorReply, pending: PendingRequest) -> bool:
        """Store a result. If there is one already, reply with that, and return False.

        Raises:
            BusError: it could not be stored.
        """
        envelope = pending.envelope
        stored_headers = {
            headers.CHAT_ID: str(envelope.id),
            headers.CHAT_BODY_SHA256: envelope.body_sha256,
            headers.CHAT_POLICY: pending.policy.version,
        }
        if await self._store.store_result(envelope.client, envelope.id, to_json(outcome), stored_headers):
            return True
        stored = await self._repeats.reply_with_result(pending)
        if stored is None:
            raise UnconfirmedError
        await self._log.write_stored(envelope.address, outcome_of(stored.body))
        return False

    def _known_model(self, pending: PendingRequest) -> str | None:
        """Return the model that the request names; None if no worker has it: the name may be any text."""
        name = limits.model_of(pending.request)
        return self._fleet.models(REMEMBERED_SECONDS).get(models.token(name) or "") if name else None
