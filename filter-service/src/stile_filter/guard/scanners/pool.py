"""The pool of child processes that scan.

A thread can't be ended at a time limit and a ``ProcessPoolExecutor`` does not end its child; a child with a
pipe can be killed, and a spare is there to take its place.
"""

import asyncio
import contextlib
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import structlog

from stile_filter.guard.decide import Finding, ScanResult, State
from stile_filter.guard.policy import Action, Scanner
from stile_filter.guard.scanners import wire
from stile_filter.turns import Turns
from stile_runtime import tracing

START_SECONDS = 300
"""How long a child may load its models."""

_PATIENCE = 6
"""A slice waits so many time limits for its turn, in which the slices of other clients are scanned."""

_RETRY_SECONDS = 5.0
_SCRATCH = "stile-scan"

log = structlog.get_logger()


class ScannerError(Exception):
    """A scanner can't be built as the policy has it."""

    def __init__(self, rule: str, reason: str) -> None:
        self.rule = rule
        self.reason = reason
        super().__init__(f"{rule}: {reason}")


class _Child:
    """One child process; scans one request at a time."""

    def __init__(self, process: asyncio.subprocess.Process, scratch: Path) -> None:
        self._process = process
        self._scratch = scratch

    @classmethod
    async def start(cls, rules: list[dict[str, Any]]) -> "_Child":
        """Start a child and wait until its scanners are built.

        Raises:
            ScannerError: one of them can't be.
        """
        scratch = _scratch_folder()
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-P",  # what lies in the folder it was started from is no module of its own
            "-m",
            "stile_filter.guard.scanners.child",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            env={**os.environ, "TMPDIR": str(scratch), "TOKENIZERS_PARALLELISM": "false"},
        )
        child = cls(process, scratch)
        try:
            async with asyncio.timeout(START_SECONDS):
                answer = await child.ask({"rules": rules})
        except (OSError, asyncio.IncompleteReadError) as error:
            await child.end()
            raise ScannerError(rules[0]["id"], "its process ended while it was built") from error
        except TimeoutError as error:
            await child.end()
            raise ScannerError(rules[0]["id"], f"not built within {START_SECONDS} s") from error
        except BaseException:
            await child.end()
            raise
        if "fault" in answer:
            await child.end()
            raise ScannerError(answer["fault"], answer["reason"])
        return child

    async def ask(self, frame: dict[str, Any]) -> dict[str, Any]:
        if self._process.stdin is None:
            raise BrokenPipeError
        self._process.stdin.write(wire.encode(frame))
        await self._process.stdin.drain()
        return await self.answer()

    async def answer(self) -> dict[str, Any]:
        if self._process.stdout is None:
            raise BrokenPipeError
        return await wire.receive(self._process.stdout)

    async def end(self) -> None:
        """Kill it, and remove what its scanners may have left of a text."""
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()
        await self._process.wait()
        shutil.rmtree(self._scratch, ignore_errors=True)

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def alive(self) -> bool:
        return self._process.returncode is None


class ScannerPool:
    """Children that scan, ``processes`` at once, and ``spares`` that wait to take a killed one's place.

    Args:
        rules: the policy's scanners.
        processes: how many slices are scanned at once.
        spares: how many children more are kept ready.
        timeout: seconds that the scan of one slice may take; the wait for a child may take as long again.
        restarted: called when a child is replaced.
    """

    def __init__(
        self,
        rules: Sequence[Scanner],
        *,
        processes: int,
        spares: int,
        timeout: float,
        restarted: Callable[[], None] = lambda: None,
    ) -> None:
        self._rules = [
            {
                "id": rule.id,
                "type": rule.type,
                "params": rule.params,
                "excepted": rule.excepted,
                "refuses": rule.action is Action.REFUSE,
                "on_prompts": rule.on_prompts,
            }
            for rule in rules
        ]
        self._size = processes + spares
        self._turns = Turns(processes)
        self._timeout = timeout
        self._restarted = restarted
        self._idle: asyncio.Queue[_Child] = asyncio.Queue()
        self._children: set[_Child] = set()
        self._starts: set[asyncio.Task[None]] = set()
        self._closed = False

    @property
    def ready(self) -> bool:
        """Whether there is a child that can scan, now or after its present scan."""
        return any(child.alive for child in self._children)

    @property
    def pids(self) -> list[int]:
        """The children's process ids."""
        return [child.pid for child in self._children]

    async def start(self) -> None:
        """Start the first child, then the others without waiting for them.

        Raises:
            ScannerError: a scanner can't be built.
        """
        _remove_stale_scratch()
        self._add(await _Child.start(self._rules))
        for _ in range(self._size - 1):
            self._replace()

    async def scan(
        self,
        texts: Sequence[str],
        client: str = "",
        rules: Sequence[str] | None = None,
        *,
        tell_all: bool = False,
    ) -> ScanResult:
        """Scan each text in the client's turn. Never raises: what goes wrong is a state.

        Args:
            texts: what to scan.
            client: whose turn it is.
            rules: the ids of the rules; None: those that apply to prompts.
            tell_all: also return the scores, and findings of texts that a rule lets through.
        """
        job = {"texts": list(texts), "rules": None if rules is None else list(rules), "all": tell_all}
        try:
            async with self._turns.turn(client, _PATIENCE * self._timeout):
                return await self._scan(job)
        except TimeoutError:
            return ScanResult((), State.TIMEOUT, complete=False)

    async def close(self) -> None:
        """End every child."""
        self._closed = True
        for task in self._starts:
            task.cancel()
        await asyncio.gather(*self._starts, return_exceptions=True)
        await asyncio.gather(*(child.end() for child in self._children))
        self._children.clear()

    async def _scan(self, job: dict[str, Any]) -> ScanResult:
        try:
            async with asyncio.timeout(self._timeout):
                child = await self._alive()
        except TimeoutError:
            return ScanResult((), State.TIMEOUT, complete=False)
        findings: list[Finding] = []
        # Until the refusing rules have spoken, what goes wrong is a failure; after that it is a watcher's.
        failure: State | None = State.ERROR
        try:
            async with asyncio.timeout(self._timeout):
                findings += _findings(await child.ask(job))
                failure = None
                findings += _findings(await child.answer())
        except TimeoutError:
            failure = failure and State.TOO_SLOW
            log.warning("scan_timed_out", seconds=self._timeout, refusing=failure is not None)
            await self._drop(child)
        except (OSError, ValueError, asyncio.IncompleteReadError):
            log.warning("scanner_process_ended", refusing=failure is not None)
            await self._drop(child)
        except BaseException:
            await self._drop(child)
            raise
        else:
            self._idle.put_nowait(child)
            return ScanResult(findings)
        return ScanResult(findings, failure, complete=False)

    async def _alive(self) -> _Child:
        while True:
            child = await self._idle.get()
            if child.alive:
                return child
            await self._drop(child)

    def _add(self, child: _Child) -> None:
        self._children.add(child)
        self._idle.put_nowait(child)

    async def _drop(self, child: _Child) -> None:
        self._children.discard(child)
        self._restarted()
        self._replace()
        await child.end()

    def _replace(self) -> None:
        if self._closed:
            return
        task = asyncio.create_task(self._start_another())
        self._starts.add(task)
        task.add_done_callback(self._starts.discard)

    async def _start_another(self) -> None:
        while True:
            try:
                self._add(await _Child.start(self._rules))
            except (ScannerError, OSError) as error:
                # It could be built at the start; memory or a file is missing now, and may be there again.
                log.error("scanner_process_not_started", reason=str(error))  # noqa: TRY400 -- a known reason
                await asyncio.sleep(_RETRY_SECONDS)
            else:
                return


def _findings(frame: dict[str, Any]) -> list[Finding]:
    for rule, seconds in frame["seconds"].items():
        with tracing.span("scan", seconds=seconds) as span:
            span.set("stile.rule", rule)
    return [Finding(rule, text, State(state), score) for rule, text, state, score in frame["findings"]]


def _scratch_root() -> Path:
    # In memory if the system has such a folder: scanners write texts to temporary files (Secrets does).
    shared = Path("/dev/shm")  # noqa: S108 -- a folder of this process's own is made in it, mode 0700
    return shared if os.access(shared, os.W_OK) else Path(tempfile.gettempdir())


def _scratch_folder() -> Path:
    return Path(tempfile.mkdtemp(prefix=f"{_SCRATCH}-{os.getpid()}-", dir=_scratch_root()))


def _remove_stale_scratch() -> None:
    """Remove what the children of a killed service left behind."""
    if not Path("/proc/self").exists():
        return
    for folder in _scratch_root().glob(f"{_SCRATCH}-*"):
        owner = folder.name.split("-")[2]
        if not Path("/proc", owner).exists():
            shutil.rmtree(folder, ignore_errors=True)
