"""Takes records without making a request wait: a thread seals and writes them."""

import contextlib
import queue
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Literal, NamedTuple
from uuid import UUID

import structlog

from stile_filter.guard.decide import State, Verdict
from stile_filter.guard.policy import ArchiveRules, Policy
from stile_filter.policies.archive.files import ArchiveFiles
from stile_filter.policies.archive.records import Record, seal

MAX_WAITING = 1000
MAX_WAITING_BYTES = 32 * 1024 * 1024
"""Of requests that wait to be sealed; others are dropped and counted."""
PRUNE_SECONDS = 60.0
CLOSE_SECONDS = 5.0
COMPLAIN_SECONDS = 60.0
"""Between two lines of the log about an archive that can't be written."""

Kept = Literal["kept", "dropped"]

log = structlog.get_logger()


class NoArchive:
    """Keeps nothing: without ``STILE_ARCHIVE`` no policy can have an archive."""

    def follow(self, policy: Policy) -> None:
        """Do nothing: there are no files."""

    def close(self) -> None:
        """Do nothing: there is no thread."""

    def keep(self, policy: Policy, client: str, chat_id: UUID, body: bytes, verdict: Verdict) -> None:
        """Keep nothing."""


class _Job(NamedTuple):
    record: Record
    rules: ArchiveRules
    size: int


class Archive:
    """Keeps requests as their policy says.

    Args:
        folder: of the files.
        counted: called for each record with ``kept`` or ``dropped``.
        clock: seconds since the Unix epoch.
    """

    def __init__(
        self,
        folder: Path,
        counted: Callable[[Kept], None],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._files = ArchiveFiles(folder, clock)
        self._counted = counted
        self._clock = clock
        self._jobs: queue.Queue[_Job | None] = queue.Queue(MAX_WAITING)
        self._waiting_bytes = 0
        self._lock = threading.Lock()
        self._rules: ArchiveRules | None = None
        self._complained = float("-inf")
        self._thread: threading.Thread | None = None

    def follow(self, policy: Policy) -> None:
        """Hold the files to the bounds of a policy from now on; without ``archive:`` they stay."""
        self._rules = policy.archive
        if self._rules and self._thread is None:
            self._thread = threading.Thread(target=self._run, daemon=True, name="archive")
            self._thread.start()

    def keep(self, policy: Policy, client: str, chat_id: UUID, body: bytes, verdict: Verdict) -> None:
        """Keep a request that was judged. Never raises, and never waits: what can't be kept is counted."""
        rules = policy.archive
        if rules is None or (rules.keep == "refused" and verdict.state is not State.REFUSE):
            return
        with self._lock:
            if self._waiting_bytes + len(body) > MAX_WAITING_BYTES:
                self._counted("dropped")
                return
            self._waiting_bytes += len(body)
        record = Record.model_construct(
            at_ms=int(self._clock() * 1000),
            id=chat_id,
            client=client,
            policy=policy.version,
            state=verdict.state,
            rule=verdict.rule.id if verdict.rule else None,
            view=verdict.view,
            location=verdict.location,
            body=body.decode("utf-8", "replace"),
        )
        try:
            self._jobs.put_nowait(_Job(record, rules, len(body)))
        except queue.Full:
            self._free(len(body))
            self._counted("dropped")

    def close(self) -> None:
        """Write what waits, and end the thread; do not wait for a disk that hangs."""
        if self._thread:
            with contextlib.suppress(queue.Full):
                self._jobs.put(None, timeout=CLOSE_SECONDS)
            self._thread.join(CLOSE_SECONDS)
            self._thread = None

    def _run(self) -> None:
        pruned = float("-inf")
        while True:
            if self._rules and time.monotonic() - pruned >= PRUNE_SECONDS:
                self._prune(self._rules)
                pruned = time.monotonic()
            try:
                job = self._jobs.get(timeout=PRUNE_SECONDS)
            except queue.Empty:
                continue
            if job is None:
                return
            self._write(job)

    def _write(self, job: _Job) -> None:
        try:
            self._files.append(seal(job.record, job.rules.key), job.rules)
        except OSError as error:
            self._complain(error)
            self._counted("dropped")
        except Exception:  # a fault of one record must not end the thread
            log.exception("archive_failed")
            self._counted("dropped")
        else:
            self._counted("kept")
        finally:
            self._free(job.size)

    def _prune(self, rules: ArchiveRules) -> None:
        try:
            self._files.prune(rules)
        except OSError as error:
            self._complain(error)

    def _complain(self, error: OSError) -> None:
        if time.monotonic() - self._complained >= COMPLAIN_SECONDS:
            self._complained = time.monotonic()
            log.error("archive_not_written", reason=error.strerror or str(error))

    def _free(self, size: int) -> None:
        with self._lock:
            self._waiting_bytes -= size
