"""What each rule says of a text, for tests of a policy and for replays."""

from typing import TYPE_CHECKING, NamedTuple

from stile_filter.guard.control_tokens import has_marker
from stile_filter.guard.decide import State
from stile_filter.guard.keywords import Hit
from stile_filter.guard.policy import FORGED, Action, ControlTokens, Rule
from stile_filter.guard.texts import RequestTexts, Text

if TYPE_CHECKING:
    from stile_filter.policies.draft import Draft
    from stile_filter.policies.guard import Guard


class RuleFinding(NamedTuple):
    """What one rule says of a request."""

    rule: str
    action: Action
    state: State
    location: str | None = None
    score: float | None = None
    """Of a scanner, the highest one of all texts."""
    view: str | None = None
    """Of a keyword: in which way of reading the text it was found."""
    span: tuple[int, int] | None = None
    """Of a keyword: its start and end in the text at ``location``, in characters."""

    @property
    def is_hit(self) -> bool:
        """Whether the rule found something."""
        return self.state is State.REFUSE


def state_of(found: list[RuleFinding]) -> State:
    """Return what the whole policy says, by what its rules say."""
    refusing = [one.state for one in found if one.action is Action.REFUSE]
    if State.REFUSE in refusing:
        return State.REFUSE
    return next((state for state in refusing if state is not State.ALLOW), State.ALLOW)


async def findings(guard: "Guard | Draft", texts: RequestTexts) -> list[RuleFinding]:
    """Return what each rule says of a request, in the policy's order; also the rules that find nothing."""
    return [_control_tokens(guard, texts), *_keywords(guard, texts), *(await _scanners(guard, texts))]


def _control_tokens(guard: "Guard | Draft", texts: RequestTexts) -> RuleFinding:
    refuses = guard.policy.control_tokens is ControlTokens.REFUSE
    action = FORGED.action if refuses else Action.MONITOR
    for text in (*texts.apart, texts.joined):
        if any(map(has_marker, text.parts)) or has_marker("".join(text.parts)):
            return RuleFinding(FORGED.id, action, State.REFUSE, text.location)
    return RuleFinding(FORGED.id, action, State.ALLOW)


def _keywords(guard: "Guard | Draft", texts: RequestTexts) -> list[RuleFinding]:
    found: dict[int, RuleFinding] = {}
    for text in texts.apart:
        for hit in guard.decider.matcher.hits(*text.parts):
            found.setdefault(hit.index, _hit(guard.policy.keywords[hit.index], text, hit))
    for text in texts.seams:
        for hit in guard.decider.matcher.hits(*text.parts):
            if hit.crosses:
                found.setdefault(hit.index, _hit(guard.policy.keywords[hit.index], text, hit))
    return [
        found.get(index, RuleFinding(rule.id, rule.action, State.ALLOW))
        for index, rule in enumerate(guard.policy.keywords)
        if rule.on_prompts
    ]


def _hit(rule: Rule, text: Text, hit: Hit) -> RuleFinding:
    # In the text with its parts joined by line breaks.
    before = sum(len(part) + 1 for part in text.parts[: hit.span.part])
    span = (before + hit.span.start, before + hit.span.end)
    return RuleFinding(rule.id, rule.action, State.REFUSE, text.location, view=hit.view, span=span)


async def _scanners(guard: "Guard | Draft", texts: RequestTexts) -> list[RuleFinding]:
    if guard.pool is None:
        return []
    contents = [*texts.apart, *texts.seams]
    scanned = await guard.pool.scan([text.whole for text in contents], tell_all=True)
    results: list[RuleFinding] = []
    for rule in guard.policy.scanners:
        if not rule.on_prompts:
            continue
        mine = [finding for finding in scanned.findings if finding.rule == rule.id]
        if not mine:
            results.append(RuleFinding(rule.id, rule.action, scanned.failure or State.ERROR))
            continue
        worst = max(
            mine, key=lambda one: (one.state is not State.ALLOW, -2.0 if one.score is None else one.score)
        )
        location = contents[worst.text].location
        results.append(RuleFinding(rule.id, rule.action, worst.state, location, worst.score))
    return results
