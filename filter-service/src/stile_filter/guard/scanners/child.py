"""A child process: builds the policy's scanners, then scans what its parent hands over.

Run as ``python -m stile_filter.guard.scanners.child``. Frames come on standard input; answers go to what was
standard output when it started. Whatever the scanners print goes nowhere: it may hold the text.
"""

import ctypes
import logging
import os
import signal
import sys
import time
from typing import Any, BinaryIO

from stile_filter.guard.scanners import registry, wire
from stile_filter.guard.scanners.excepted import Scan

PROBE = "What time is it?"
"""ScanResult once at the start: a scanner that can't scan this can't scan anything."""

_PR_SET_PDEATHSIG = 1


class _Child:
    def __init__(self, answers: BinaryIO) -> None:
        self._answers = answers
        self._rules: list[tuple[str, bool, Scan]] = []
        self._of_prompts: list[str] = []

    def build(self, rules: list[dict[str, Any]]) -> bool:
        for rule in rules:
            try:
                scan = registry.build(rule["type"], rule["params"], rule["excepted"])
                scan(PROBE)
            except (Exception, SystemExit) as error:  # noqa: BLE001 -- whatever a scanner raises is told
                self._say({"fault": rule["id"], "reason": f"{type(error).__name__}: {error}"})
                return False
            self._rules.append((rule["id"], rule["refuses"], scan))
            if rule["on_prompts"]:
                self._of_prompts.append(rule["id"])
        self._say({"ready": True})
        return True

    def scan(self, texts: list[str], wanted: list[str] | None, *, tell_all: bool) -> None:
        """Scan with the rules that refuse, tell, then with those that are only watched, and tell.

        Args:
            texts: what to scan.
            wanted: the ids of the rules; None: those that apply to prompts.
            tell_all: tell also what a rule lets through, and scores.
        """
        wanted = self._of_prompts if wanted is None else wanted
        for refusing in (True, False):
            findings = []
            seconds: dict[str, float] = {}
            for index, text in enumerate(texts):
                for rule, refuses, scan in self._rules:
                    if refuses is not refusing or rule not in wanted:
                        continue
                    began = time.perf_counter()
                    state, score = _judged(scan, text)
                    seconds[rule] = seconds.get(rule, 0.0) + time.perf_counter() - began
                    if tell_all or state != "allow":
                        findings.append([rule, index, state, score if tell_all else None])
            self._say({"findings": findings, "seconds": seconds})

    def _say(self, frame: dict[str, Any]) -> None:
        self._answers.write(wire.encode(frame))
        self._answers.flush()


def _judged(scan: Scan, text: str) -> tuple[str, float | None]:
    try:
        passes, score = scan(text)
    except Exception:  # noqa: BLE001 -- whatever a scanner raises is an error of the moment
        return "error", None
    return "allow" if passes else "refuse", score


def _hush() -> BinaryIO:
    """Send what is printed or logged nowhere; return the way to the parent."""
    logging.disable(logging.CRITICAL)
    answers = os.fdopen(os.dup(1), "wb")
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    return answers


def _end_with_parent() -> None:
    # A parent that is killed can't end its children, and one that scans does not see its pipe close.
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def main() -> None:
    """Serve the parent until it closes the pipe."""
    _end_with_parent()
    # Ctrl-C reaches the whole process group; the parent says when it is over.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    child = _Child(_hush())
    frames = sys.stdin.buffer
    first = wire.read(frames)
    if first is None or not child.build(first["rules"]):
        return
    while (job := wire.read(frames)) is not None:
        child.scan(job["texts"], job.get("rules"), tell_all=job.get("all", False))


if __name__ == "__main__":
    main()
