"""A policy that the owner tries at the console before it is in use.

It is read in the filter that judges requests, so it may do less than the file of a policy. It reads no files
but those of the policy in use and the word lists that come with Stile, because each verdict could tell
something of a file. It has no scanners but those that run already, because a scanner may be any class of any
package.
"""

import asyncio
import errno
from collections.abc import Sequence
from pathlib import Path

from stile_contracts.messages import PolicyFault, PolicyVerdict, Role, RuleVerdict, VerdictRequest
from stile_filter.errors import Fault, PolicyError
from stile_filter.guard.decide import Decider, NoScanners, Scanners, ScanResult
from stile_filter.guard.policy import Files, Policy, Scanner, default_policy
from stile_filter.guard.scanners.pool import ScannerPool
from stile_filter.policies import expectations, trial
from stile_filter.policies.expectations import texts_of
from stile_filter.policies.guard import Guard
from stile_filter.policies.live import LivePolicy
from stile_filter.policies.trial import RuleFinding


class Draft:
    """A policy that is tried, with the scanners of the policy in use.

    Args:
        text: of the policy's file.
        guard: the one in use.

    Raises:
        PolicyError: with line and reason of everything that is wrong.
    """

    def __init__(self, text: str, guard: Guard) -> None:
        path = guard.policy.file.path
        self.policy = policy = Policy(path, _DraftFiles(path, text, guard.policy.files))
        running = {_key(scanner) for scanner in guard.policy.scanners}
        faults = [
            Fault(scanner.line, f"the scanner {scanner.id} does not run now, so it can't be tried here")
            for scanner in policy.scanners
            if _key(scanner) not in running
        ]
        if faults:
            raise PolicyError(path, faults)
        self.pool = guard.pool if policy.scanners else None
        ids = [scanner.id for scanner in policy.scanners if scanner.on_prompts]
        scanners: Scanners = _SomeScanners(self.pool, ids) if self.pool else NoScanners()
        self.decider = Decider(policy, scanners, lambda *_: None)


class Judge:
    """Judges texts for the console.

    Args:
        live: the policy in use.
    """

    def __init__(self, live: LivePolicy) -> None:
        self._live = live

    async def judge(self, request: VerdictRequest) -> PolicyVerdict:
        """Return what the policy in use, or the one that was sent, says of a text."""
        with self._live.lease() as guard:
            if request.policy is None:
                texts = texts_of(guard, request.text, Role.USER)
                return _verdict(guard.policy, await trial.findings(guard, texts))
            return await self._try(request.policy, guard, request.text)

    async def _try(self, policy: str, guard: Guard, text: str) -> PolicyVerdict:
        try:
            # In a thread, so that requests are judged in that time.
            draft = await asyncio.to_thread(_read, policy, guard)
        except PolicyError as error:
            return PolicyVerdict(faults=_faults(error))
        texts = texts_of(draft, text, Role.USER)
        verdict = _verdict(draft.policy, await trial.findings(draft, texts))
        try:
            await expectations.check(draft)
        except PolicyError as error:
            return verdict.model_copy(update={"faults": _faults(error)})
        return verdict


class _DraftFiles(Files):
    """Reads a policy's text from memory, and no files but some."""

    def __init__(self, path: Path, text: str, allowed: Sequence[Path]) -> None:
        super().__init__()
        self._path = path
        self._text = text
        self._allowed = frozenset(file.resolve() for file in allowed)
        self._shipped = default_policy().parent.resolve()

    def read(self, path: Path) -> bytes:
        if path == self._path:
            return self._text.encode()
        file = path.resolve()
        if file in self._allowed or (file.suffix == ".txt" and self._shipped in file.parents):
            return super().read(path)
        raise OSError(errno.EACCES, "not a file of the policy in use, so it can't be tried here")


class _SomeScanners:
    """Those scanners of a pool that a draft has."""

    def __init__(self, pool: ScannerPool, ids: Sequence[str]) -> None:
        self._pool = pool
        self._ids = ids

    async def scan(
        self, texts: Sequence[str], client: str = "", rules: Sequence[str] | None = None
    ) -> ScanResult:
        return await self._pool.scan(texts, client, self._ids if rules is None else rules)


def _read(text: str, guard: Guard) -> Draft:
    draft = Draft(text, guard)
    # The first access of the matcher builds it: that is the work that is done in the thread.
    _ = draft.policy.matcher
    return draft


def _key(scanner: Scanner) -> tuple[object, ...]:
    return scanner.id, scanner.type, repr(scanner.params), scanner.excepted, scanner.on_prompts


def _faults(error: PolicyError) -> list[PolicyFault]:
    return [PolicyFault(line=fault.line, reason=fault.reason) for fault in error.faults]


def _verdict(policy: Policy, found: list[RuleFinding]) -> PolicyVerdict:
    return PolicyVerdict(
        policy=policy.version,
        state=trial.state_of(found).value,
        rules=[
            RuleVerdict(
                rule=one.rule,
                action="refuse" if one.action == "refuse" else "monitor",
                state=one.state.value,
                place=one.location,
                score=one.score,
                view=one.view,
                span=one.span,
            )
            for one in found
        ],
    )
