"""A policy with its scanners running: what a request is judged by from its start to its end."""

from collections.abc import Callable
from pathlib import Path

from stile_filter.errors import Fault, PolicyError
from stile_filter.guard.answers import AnswerChecker
from stile_filter.guard.decide import Decider, Monitor, NoScanners, State
from stile_filter.guard.policy import Files, Policy, Rule
from stile_filter.guard.scanners.pool import ScannerError, ScannerPool
from stile_filter.policies import expectations


class Guard:
    """Reads a policy; ``start`` makes it ready to judge.

    Args:
        path: of the policy's file.
        archive: the folder of the sealed archive, if there is one.
        files: reads the files.
        monitor: called with what ``monitor`` rules find in requests.
        restarted: called when a scanner's process is replaced.

    Raises:
        PolicyError: with file, line and reason of everything that is wrong.
    """

    def __init__(
        self,
        path: Path,
        archive: Path | None = None,
        files: Files | None = None,
        monitor: Monitor = lambda *_: None,
        restarted: Callable[[], None] = lambda: None,
    ) -> None:
        self.policy = policy = Policy(path, files)
        if policy.archive and archive is None:
            raise policy.file.error(("archive",), "no folder: STILE_ARCHIVE names it")
        self.pool = (
            ScannerPool(
                policy.scanners,
                processes=policy.scan_processes,
                spares=policy.scan_spares,
                timeout=policy.scan_timeout,
                restarted=restarted,
            )
            if policy.scanners
            else None
        )
        self._monitor = monitor
        self._is_tested = False
        self.answers = AnswerChecker(policy, self.pool or NoScanners())
        self.decider = Decider(policy, self.pool or NoScanners(), self._found)

    async def start(self) -> None:
        """Start the scanners, and run the policy's own tests.

        Raises:
            PolicyError: a scanner can't be built, or a test fails. Nothing is left running.
        """
        try:
            if self.pool:
                await self.pool.start()
            await expectations.check(self)
        except ScannerError as error:
            await self.close()
            lines = {rule.id: rule.line for rule in self.policy.scanners}
            raise PolicyError(self.policy.file.path, [Fault(lines[error.rule], str(error))]) from error
        except BaseException:
            await self.close()
            raise
        self._is_tested = True

    @property
    def ready(self) -> bool:
        """Whether a request can be judged now."""
        return self._is_tested and (self.pool is None or self.pool.ready)

    async def close(self) -> None:
        """End the scanners."""
        if self.pool:
            await self.pool.close()

    def _found(self, rule: Rule, place: str, state: State) -> None:
        if self._is_tested:
            self._monitor(rule, place, state)
