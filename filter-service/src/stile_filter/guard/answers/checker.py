"""The decision over an answer, a piece at a time. It keeps nothing between two pieces."""

from collections.abc import Sequence
from typing import NamedTuple

from stile_contracts.messages import AnswerPart
from stile_filter.guard.answers.holding import PhraseHold, ends_sentence, sentence_boundary
from stile_filter.guard.answers.recital import Recital
from stile_filter.guard.answers.secrets import candidate_lines
from stile_filter.guard.decide import Scanners, State
from stile_filter.guard.policy import RECITAL, SECRETS, Action, Policy, Rule


class Found(NamedTuple):
    """What a rule found in an answer."""

    rule: Rule
    view: str
    """In which way of reading the text, or the scanner's type."""
    state: State = State.REFUSE


class PartVerdict(NamedTuple):
    """The verdict on one text."""

    release: int
    """Characters from its beginning that may be sent."""
    refused: Found | None = None
    monitored: Sequence[Found] = ()
    failed: Found | None = None
    """The scanner that had to see the text, and did not."""


class _Hit(NamedTuple):
    found: Found
    start: int
    end: int
    settled: bool
    """Whether the text that follows can no longer make it harmless."""


class AnswerChecker:
    """Judges texts of answers by the rules that apply to them.

    Args:
        policy: the rules.
        scanners: whatever runs its scanners.
    """

    def __init__(self, policy: Policy, scanners: Scanners) -> None:
        self._keywords = policy.keywords
        self._matcher = policy.matcher
        self._hold = PhraseHold(
            phrases for rule, phrases in zip(policy.keywords, policy.phrases, strict=True) if rule.on_answers
        )
        self._has_keywords = any(rule.on_answers for rule in policy.keywords)
        self._recital = Recital(policy.own_prompt) if policy.own_prompt and policy.recital else None
        self._recital_rule = RECITAL.model_copy(update={"action": policy.recital or Action.REFUSE})
        self._scanners = scanners
        self._rules = {rule.id: rule for rule in policy.scanners if rule.on_answers}
        self._of_secrets = [rule.id for rule in self._rules.values() if rule.type == "Secrets"]
        self._of_lines = [rule.id for rule in self._rules.values() if rule.type == "Credentials"]
        self._of_sentences = [rule.id for rule in self._rules.values() if rule.type not in SECRETS]

    async def check(self, part: AnswerPart) -> PartVerdict:
        """Judge a text: how much of it may be sent, or that the answer is refused."""
        text, cut = part.text, 0
        if part.offset:
            # The first word may have lost its beginning, and would be taken for another word.
            cut = min(next((at for at, char in enumerate(text) if char.isspace()), 0), part.released)
            text = text[cut:]
        released = part.released - cut
        end = self._boundary(text, released, closed=part.closed)
        hits = [hit for hit in self._hits(text, closed=part.closed) if hit.end > released]
        refusing = [hit for hit in hits if hit.found.rule.action is Action.REFUSE]
        if settled := next((hit for hit in refusing if hit.settled), None):
            return PartVerdict(part.released, settled.found)
        end = max(released, min([end, *(hit.start for hit in refusing)]))
        monitored = [hit.found for hit in hits if hit not in refusing and hit.end <= end]
        scanned = await self._scan(text, released, end)
        return scanned._replace(
            release=part.released if scanned.refused or scanned.failed else end + cut,
            monitored=[*monitored, *scanned.monitored],
        )

    def _boundary(self, text: str, released: int, *, closed: bool) -> int:
        if closed:
            return len(text)
        end = self._hold.boundary(text)
        if self._recital:
            end = min(end, self._recital.find(text)[1])
        if self._of_sentences:
            end = min(end, sentence_boundary(text, released))
        return end

    def _hits(self, text: str, *, closed: bool) -> list[_Hit]:
        hits = []
        for hit in self._matcher.hits(text) if self._has_keywords else ():
            rule = self._keywords[hit.index]
            if rule.on_answers:
                # An exception may follow, or words that show that the sentence is in another language.
                settled = closed or ends_sentence(text, hit.span.end)
                hits.append(_Hit(Found(rule, hit.view), hit.span.start, hit.span.end, settled))
        if self._recital and (start := self._recital.find(text)[0]) is not None:
            hits.append(_Hit(Found(self._recital_rule, "run"), start, len(text), settled=True))
        return hits

    async def _scan(self, text: str, released: int, end: int) -> PartVerdict:
        if end <= released:
            return PartVerdict(released)
        asked: list[tuple[str, list[str]]] = []
        if self._of_secrets and (lines := candidate_lines(text, released, end)) is not None:
            asked.append((lines, self._of_secrets))
        if self._of_lines:
            asked.append((text[text.rfind("\n", 0, released) + 1 : end], self._of_lines))
        if self._of_sentences:
            # With the sentence before it, because an instruction may be cut in two.
            begin = sentence_boundary(text[:released], 0)
            begin = 0 if begin == released else begin
            asked.append((text[begin:end], self._of_sentences))
        monitored: list[Found] = []
        failed: Found | None = None
        for scanned, rules in asked:
            result = await self._scanners.scan([scanned], rules=rules)
            for finding in result.findings:
                rule = self._rules[finding.rule]
                found = Found(rule, rule.type, finding.state)
                if rule.action is Action.MONITOR:
                    monitored.append(found)
                elif finding.state is State.REFUSE:
                    return PartVerdict(released, found, monitored)
                else:
                    failed = failed or found
            if result.failure:
                failed = failed or Found(self._rules[rules[0]], self._rules[rules[0]].type, result.failure)
        return PartVerdict(end, None, monitored, failed)
