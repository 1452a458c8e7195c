"""The decision: a request's texts, the policy's rules, one verdict.

Each text is searched and scanned by itself, and so is each seam between two (``texts``). What was found in
one is kept, so a conversation's next turn costs its new message and its seams. The work is done in slices,
for which clients take turns.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import NamedTuple, Protocol

from stile_filter.guard.control_tokens import has_marker
from stile_filter.guard.instructions import INJECTION_CHECKS, displaces
from stile_filter.guard.policy import FORGED, Action, ControlTokens, Policy, Rule, Scanner
from stile_filter.guard.texts import JOINED, RequestTexts, Text
from stile_filter.guard.verdicts import Found, Verdicts
from stile_filter.turns import Turns
from stile_runtime import tracing

SLICE_CHARS = 16_384
"""After so many the event loop runs other tasks, and a scanner's process takes another client's texts."""

_SHORT_CHARS = 4_096
"""A text of at most so many is searched at once; a longer one in a thread, in its client's turn."""

_TEXT_CHARS = 200
"""Added to each text's characters: even an empty text costs a key and a search."""


class State(StrEnum):
    """How a rule, or the whole policy, judges a text."""

    ALLOW = "allow"
    REFUSE = "refuse"
    ERROR = "error"
    """A scanner raised, ended, or did not see all of the text."""
    TIMEOUT = "timeout"
    """It was not scanned in time, because others came first."""
    TOO_SLOW = "too_slow"
    """A scan of it took longer than a scan may take: it would take too long again."""


class Finding(NamedTuple):
    """What one rule found in one text, if that is not ``allow``."""

    rule: str
    text: int
    """The index of the text."""
    state: State
    score: float | None = None
    """As the scanner gave it, if it was asked for."""


class ScanResult(NamedTuple):
    """What the scanners say of some texts."""

    findings: Sequence[Finding]
    failure: State | None = None
    """``error``, ``timeout`` or ``too_slow`` if not every refusing rule saw every text."""
    complete: bool = True
    """Whether the ``monitor`` rules saw every text as well."""


class Scanners(Protocol):
    """Layer 2: whatever runs the policy's scanners."""

    async def scan(
        self, texts: Sequence[str], client: str = "", rules: Sequence[str] | None = None
    ) -> ScanResult:
        """Scan each text in the client's turn with the rules of these ids; None: those that apply to prompts.

        Never raises: what goes wrong is a state.
        """
        ...


class NoScanners:
    """Layer 2 of a policy without scanners."""

    async def scan(
        self, texts: Sequence[str], client: str = "", rules: Sequence[str] | None = None
    ) -> ScanResult:
        """Find nothing."""
        del texts, client, rules
        return ScanResult(())


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the policy says of a request; rule, category and location if it is not ``allow``."""

    state: State
    rule: Rule | None = None
    location: str | None = None
    view: str | None = None
    """For the log: in which way of reading the text a keyword was found."""
    own: frozenset[Text] = frozenset()
    """The answers that came back and were not judged, because the client has received them from Stile."""


FindOwn = Callable[[str, Sequence[Text]], Awaitable[frozenset[Text]]]
"""Returns the answers in a client's request that the client has received from Stile."""

Monitor = Callable[[Rule, str, State], None]
"""Receives what a ``monitor`` rule found: the rule, the location, and the state."""


class Decider:
    """Decides over requests.

    Args:
        policy: the rules.
        scanners: layer 2.
        monitor: called with what ``monitor`` rules find, now or in an earlier request with the same text.
    """

    def __init__(self, policy: Policy, scanners: Scanners, monitor: Monitor) -> None:
        self._refuses_control_tokens = policy.control_tokens is ControlTokens.REFUSE
        self.matcher = policy.matcher
        self._keywords = {rule.id: rule for rule in policy.keywords}
        self._index = {rule_id: index for index, rule_id in enumerate(self._keywords)}
        self._rules: dict[str, Rule] = {rule.id: rule for rule in policy.scanners if rule.on_prompts}
        self._scanners = scanners
        self._monitor = monitor
        self._verdicts = Verdicts(policy.version)
        self._turns = Turns(1)

    async def decide(
        self,
        texts: RequestTexts,
        client: str = "",
        *,
        is_late: Callable[[], bool] = lambda: False,
        find_own: FindOwn | None = None,
    ) -> Verdict:
        """Judge every message, the prompt, and what lies across them.

        Control tokens come first, then keywords, and scanners if those allow it.

        Args:
            texts: the request's.
            client: the client that sent it; clients take turns.
            is_late: returns whether the request is too late for a verdict. Then the verdict is ``timeout``.
            find_own: called only if the request would not pass, and an answer in the conversation may be the
                reason. The answers that it returns are not judged again (docs/adr/0033).
        """
        watched: _Watched = []
        verdict = await self._judge(texts, client, is_late, watched)
        if (
            find_own
            and _may_lie_in_an_answer(verdict, texts)
            and (own := await find_own(client, texts.answers))
        ):
            watched.clear()
            verdict = replace(await self._judge(texts.without(own), client, is_late, watched), own=own)
        for seen in watched:
            self._monitor(*seen)
        return verdict

    async def _judge(
        self, texts: RequestTexts, client: str, is_late: Callable[[], bool], watched: "_Watched"
    ) -> Verdict:
        if self._refuses_control_tokens and (location := _location_of_marker(texts)):
            return Verdict(State.REFUSE, FORGED, location)
        with tracing.span("keywords"):
            verdict = await self._match(texts, client, is_late, watched)
        if verdict.state is State.ALLOW and self._rules:
            with tracing.span("scanners"):
                return await self._scan(texts, client, is_late, watched)
        return verdict

    async def _match(
        self, texts: RequestTexts, client: str, is_late: Callable[[], bool], seen: "_Watched"
    ) -> Verdict:
        watched: dict[str, str] = {}
        refusal: Verdict | None = None
        async for text in _in_slices(texts):
            if is_late():
                return Verdict(State.TIMEOUT)
            key = self._verdicts.key("keywords", texts.model, text)
            found = self._verdicts.get(key)
            if found is None:
                found = await self._found(text, client)
                self._verdicts.put(key, found)
            for rule in map(self._keywords.__getitem__, found):
                if not rule.on_prompts:
                    continue
                if rule.action is Action.MONITOR:
                    watched.setdefault(rule.id, text.location)
                elif refusal is None:
                    view = self.matcher.view(self._index[rule.id], *text.parts)
                    refusal = Verdict(State.REFUSE, rule, text.location, view)
        for rule_id, location in watched.items():
            seen.append((self._keywords[rule_id], location, State.REFUSE))
        return refusal or Verdict(State.ALLOW)

    async def _found(self, text: Text, client: str) -> Found:
        if text.chars <= _SHORT_CHARS:
            return self._search(text)
        async with self._turns.turn(client):
            return await asyncio.to_thread(self._search, text)

    def _search(self, text: Text) -> Found:
        # The texts on both sides of a seam are searched by themselves; only hits across it count here.
        search = self.matcher.find_across if text.location == JOINED else self.matcher.find
        found = search(*text.parts)
        return tuple(rule_id for index, rule_id in enumerate(self._keywords) if index in found)

    async def _scan(
        self, texts: RequestTexts, client: str, is_late: Callable[[], bool], seen: "_Watched"
    ) -> Verdict:
        scans: list[_Scan] = []
        async for text in _in_slices(texts):
            if text.follows_own:
                continue
            key = self._verdicts.key("scanners", texts.model, text)
            scans.append(_Scan(text, key, self._known(key)))
        failure: State | None = None
        failed: Verdict | None = None
        for index, scan in enumerate(scans):
            if scan.findings is None and failure is None:
                failure = State.TIMEOUT if is_late() else await self._scan_slice(scans[index:], client)
            for rule_id, state in scan.findings or ():
                rule, location = self._rules[rule_id], scan.text.location
                if state is State.REFUSE and _is_expected(rule, scan.text):
                    continue
                if rule.action is Action.MONITOR:
                    seen.append((rule, location, state))
                elif state is State.REFUSE:
                    return Verdict(State.REFUSE, rule, location)
                else:
                    failed = failed or Verdict(state, rule, location)
        return failed or Verdict(failure or State.ALLOW)

    def _known(self, key: bytes) -> list[tuple[str, State]] | None:
        found = self._verdicts.get(key)
        return None if found is None else [(rule_id, State.REFUSE) for rule_id in found]

    async def _scan_slice(self, scans: Sequence["_Scan"], client: str) -> State | None:
        """Scan the first of these, and as many of the others as one slice holds."""
        slice_: list[_Scan] = []
        chars = 0
        for scan in scans:
            if scan.findings is None:
                chars += scan.text.chars
                if slice_ and chars > SLICE_CHARS:
                    break
                slice_.append(scan)
        scanned = await self._scanners.scan([scan.text.whole for scan in slice_], client)
        found: list[list[tuple[str, State]]] = [[] for _ in slice_]
        for finding in scanned.findings:
            found[finding.text].append((finding.rule, finding.state))
        for scan, findings in zip(slice_, found, strict=True):
            scan.findings = findings
            # A scan that failed is not kept: the next request tries again.
            if (
                scanned.failure is None
                and scanned.complete
                and all(state is State.REFUSE for _, state in findings)
            ):
                self._verdicts.put(scan.key, tuple(rule_id for rule_id, _ in findings))
        return scanned.failure


_Watched = list[tuple[Rule, str, State]]
"""What ``monitor`` rules have found."""


def _may_lie_in_an_answer(verdict: Verdict, texts: RequestTexts) -> bool:
    """Tell whether a request does not pass because of an answer in it, or of what may lie across one."""
    if verdict.state is State.ALLOW:
        return False
    return any(verdict.location in (JOINED, answer.location) for answer in texts.answers)


def _is_expected(rule: Rule, text: Text) -> bool:
    """Tell whether a check for injections has found what a system message may hold: instructions."""
    if not (text.is_instruction and isinstance(rule, Scanner) and rule.type in INJECTION_CHECKS):
        return False
    # The other messages are scanned once more, at seams without the system message.
    return text.location == JOINED or not displaces(text.whole)


@dataclass(slots=True)
class _Scan:
    """The scan of one text."""

    text: Text
    key: bytes
    findings: list[tuple[str, State]] | None
    """By rule; None as long as it was not scanned."""


async def _in_slices(texts: RequestTexts) -> AsyncIterator[Text]:
    """Yield the texts and their seams; between slices the event loop runs other tasks."""
    chars = 0
    for text in (*texts.apart, *texts.seams):
        chars += text.chars + _TEXT_CHARS
        if chars > SLICE_CHARS:
            await asyncio.sleep(0)
            chars = 0
        yield text


def _location_of_marker(texts: RequestTexts) -> str | None:
    """Return the location of the first marker that the model would read; None if there is none."""
    # Templates put structure between two texts. One that puts nothing between joins them as this does.
    if not has_marker("".join(texts.joined.parts)):
        return None
    return next((text.location for text in texts.apart if any(map(has_marker, text.parts))), JOINED)
