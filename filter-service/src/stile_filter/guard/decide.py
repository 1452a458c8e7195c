"""The decision: a request's texts, the policy's rules, one verdict."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple, Protocol

from stile_filter.guard.control_tokens import has_marker
from stile_filter.guard.instructions import INJECTION_CHECKS, displaces
from stile_filter.guard.keywords import KeywordMatcher
from stile_filter.guard.policy import FORGED, Action, ControlTokens, Policy, Rule, Scanner
from stile_filter.guard.texts import JOINED, RequestTexts, Text


class State(StrEnum):
    """How a rule, or the whole policy, judges a text."""

    ALLOW = "allow"
    REFUSE = "refuse"
    ERROR = "error"
    """A scanner raised, ended, or did not see all of the text."""
    TIMEOUT = "timeout"


class Finding(NamedTuple):
    """What one rule found in one text, if that is not ``allow``."""

    rule: str
    text: int
    """The index of the text."""
    state: State


class ScanResult(NamedTuple):
    """What the scanners say of some texts."""

    findings: Sequence[Finding]
    failure: State | None = None
    """``error`` or ``timeout`` if not every refusing rule saw every text."""


class Scanners(Protocol):
    """Layer 2: whatever runs the policy's scanners."""

    async def scan(self, texts: Sequence[str]) -> ScanResult:
        """Scan each text with each rule. Never raises: what goes wrong is a state."""
        ...


class NoScanners:
    """Layer 2 of a policy without scanners."""

    async def scan(self, texts: Sequence[str]) -> ScanResult:
        """Find nothing."""
        del texts
        return ScanResult(())


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the policy says of a request; rule, category and location if it is not ``allow``."""

    state: State
    rule: Rule | None = None
    location: str | None = None


Monitor = Callable[[Rule, str, State], None]
"""Receives what a ``monitor`` rule found: the rule, the location, and the state."""


class Decider:
    """Decides over requests.

    Args:
        policy: the rules.
        scanners: layer 2.
        monitor: told of what ``monitor`` rules find.
    """

    def __init__(self, policy: Policy, scanners: Scanners, monitor: Monitor) -> None:
        self._refuses_control_tokens = policy.control_tokens is ControlTokens.REFUSE
        self._keywords = policy.keywords
        self._matcher = KeywordMatcher(policy.phrases, policy.everyday)
        self._rules: dict[str, Rule] = {rule.id: rule for rule in policy.scanners}
        self._scanners = scanners
        self._monitor = monitor

    async def decide(self, texts: RequestTexts) -> Verdict:
        """Judge every message, the prompt and the joined text.

        Control tokens come first, then keywords, and scanners if those allow it.
        """
        found = texts.distinct
        if self._refuses_control_tokens and (location := _location_of_marker(found)):
            return Verdict(State.REFUSE, FORGED, location)
        verdict = self._match(texts)
        if verdict.state is State.ALLOW and self._rules:
            return await self._scan(texts)
        return verdict

    def _match(self, texts: RequestTexts) -> Verdict:
        watched: dict[int, str] = {}
        refusal: Verdict | None = None
        for location, found in self._found(texts):
            for rule_index in sorted(found):
                rule = self._keywords[rule_index]
                if rule.action is Action.MONITOR:
                    watched.setdefault(rule_index, location)
                elif refusal is None:
                    refusal = Verdict(State.REFUSE, rule, location)
        for index, location in watched.items():
            self._monitor(self._keywords[index], location, State.REFUSE)
        return refusal or Verdict(State.ALLOW)

    def _found(self, texts: RequestTexts) -> Iterator[tuple[str, set[int]]]:
        *apart, joined = texts.distinct
        for text in apart or [joined]:
            yield text.location, self._matcher.find(*text.parts)
        # Each text was searched; together they can only have what lies across two of them.
        for text in (joined, *texts.user_messages):
            yield text.location, self._matcher.find_across(*text.parts)

    async def _scan(self, texts: RequestTexts) -> Verdict:
        contents = list(texts.distinct)
        apart = texts.without_instructions
        if apart is not None and all(apart.parts != text.parts for text in contents):
            contents.append(apart)
        scanned = await self._scanners.scan([text.whole for text in contents])
        failed: Verdict | None = None
        for finding in scanned.findings:
            rule, text = self._rules[finding.rule], contents[finding.text]
            location = text.location
            if finding.state is State.REFUSE and self._is_expected(rule, text, apart):
                continue
            if rule.action is Action.MONITOR:
                self._monitor(rule, location, finding.state)
            elif finding.state is State.REFUSE:
                return Verdict(State.REFUSE, rule, location)
            else:
                failed = failed or Verdict(finding.state, rule, location)
        if failed:
            return failed
        return Verdict(scanned.failure) if scanned.failure else Verdict(State.ALLOW)

    def _is_expected(self, rule: Rule, text: Text, apart: Text | None) -> bool:
        """Tell whether a check for injections has found what a system message may hold: instructions."""
        if not isinstance(rule, Scanner) or rule.type not in INJECTION_CHECKS:
            return False
        if text.is_instruction:
            return not displaces(text.whole)
        # With a system message in it; without, it is scanned by itself.
        return (
            apart is not None and text.location == JOINED and text is not apart and text.parts != apart.parts
        )


def _location_of_marker(contents: list[Text]) -> str | None:
    """Return the location of the first marker that the model would read; None if there is none."""
    joined = contents[-1]
    # Templates put structure between two texts. One that puts nothing between joins them as this does.
    if not has_marker("".join(joined.parts)):
        return None
    return next((text.location for text in contents if any(map(has_marker, text.parts))), joined.location)
