"""What a policy would have done with the requests of the archive."""

from collections import Counter
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from nacl.public import PrivateKey
from pydantic import ValidationError

from stile_contracts.messages import ChatRequest, Trim
from stile_filter.admission import conversation
from stile_filter.guard.decide import State
from stile_filter.guard.hidden.cleaning import EqualNamesError
from stile_filter.guard.policy import Action, ClientSystem, Policy
from stile_filter.guard.texts import RequestTexts
from stile_filter.policies import trial
from stile_filter.policies.archive.records import ArchiveError, Record, unseal
from stile_filter.policies.guard import Guard


class Replayed(NamedTuple):
    """A request of the archive, and what the policy says of it now."""

    record: Record
    state: State
    rules: list[str]
    """Each rule that would refuse it."""

    @property
    def is_changed(self) -> bool:
        """Whether its result would be another one now."""
        return (self.record.state is State.REFUSE) is not (self.state is State.REFUSE)


@dataclass
class Summary:
    """Counts of all replayed requests."""

    requests: int = 0
    unreadable: int = 0
    """Sealed to another key, damaged, or no request for this version of the filter."""
    refused_before: Counter[str] = field(default_factory=Counter)
    """By the rule that refused."""
    let_through_now: Counter[str] = field(default_factory=Counter)
    """Of those, by the rule that refused them then: what would pass."""
    refused_now: Counter[str] = field(default_factory=Counter)
    """By each rule that would refuse; a request may count for several."""
    newly_refused: Counter[str] = field(default_factory=Counter)
    """Of those, what had passed."""
    failed: int = 0
    """Requests that a scanner could not judge now."""

    def described(self) -> dict[str, Any]:
        """Return it for JSON."""
        return {name: getattr(self, name) for name in self.__dataclass_fields__}

    def count(self, replayed: Replayed) -> None:
        """Take in a request."""
        record = replayed.record
        self.requests += 1
        if replayed.state not in (State.ALLOW, State.REFUSE):
            self.failed += 1
            return
        was_refused = record.state is State.REFUSE
        if was_refused:
            rule = record.rule or "unknown"
            self.refused_before[rule] += 1
            self.let_through_now[rule] += replayed.state is State.ALLOW
        for name in replayed.rules:
            self.refused_now[name] += 1
            self.newly_refused[name] += record.state is State.ALLOW


async def replay(
    guard: Guard, sealed: Iterable[bytes], key: PrivateKey, since_ms: int, summary: Summary
) -> AsyncIterator[Replayed]:
    """Judge each request again, and count it in ``summary``."""
    for one in sealed:
        try:
            record = unseal(one, key)
            if record.at_ms < since_ms:
                continue
            texts = _texts(ChatRequest.model_validate_json(record.body), guard.policy)
        except (ArchiveError, EqualNamesError, ValidationError):
            summary.unreadable += 1
            continue
        found = await trial.findings(guard, texts)
        rules = [one.rule for one in found if one.action is Action.REFUSE and one.is_hit]
        failed = any(one.action is Action.REFUSE and one.state in _FAILURES for one in found)
        state = State.REFUSE if rules else State.ERROR if failed else State.ALLOW
        replayed = Replayed(record, state, rules)
        summary.count(replayed)
        yield replayed


def _texts(request: ChatRequest, policy: Policy) -> RequestTexts:
    """Return the texts as this policy has them judged; the record has no ``Stile-Trim`` of the client."""
    if policy.client_system is ClientSystem.AS_USER:
        request = conversation.as_user(request)
    return RequestTexts(request, trims=policy.trim is Trim.OLDEST, cleans=policy.cleans)


_FAILURES = (State.ERROR, State.TIMEOUT, State.TOO_SLOW)
