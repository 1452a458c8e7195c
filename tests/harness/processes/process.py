"""A child process whose output is kept, and that is always ended."""

import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Self

from harness.processes import fork_server
from stile.supervise import child

BIN = Path(sys.executable).parent
"""Where the environment's programs lie: nats-server, stile, stile-consumer …"""


class Process:
    """A running program; use it as a context manager, or call ``stop``.

    It ends with the tests even where they are killed (``stile.supervise.child``).
    """

    def __init__(
        self, *argv: str | Path, log: Path, env: Mapping[str, str] | None = None, cwd: Path | None = None
    ) -> None:
        self.log = log
        log.touch()  # it can be read at once, also before a forked process has opened it
        command = [str(argument) for argument in argv]
        environment = {**os.environ, **(env or {})}
        self._child: subprocess.Popen[bytes] | fork_server.Forked
        if forked := fork_server.start(command, log, environment, cwd):
            self._child = forked
            return
        with log.open("ab") as sink:
            self._child = subprocess.Popen(
                [sys.executable, "-I", "-S", child.__file__, str(os.getpid()), *command],
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=subprocess.STDOUT,
                env=environment,
                cwd=cwd,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        """The process's id."""
        return self._child.pid

    @property
    def exit_code(self) -> int | None:
        """How it ended, or None while it runs."""
        return self._child.poll()

    def output(self) -> str:
        """Return what it has printed so far."""
        return self.log.read_text(errors="replace")

    def kill(self) -> None:
        """End it at once, as a crash would."""
        self._child.kill()
        self._child.wait()

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal."""
        self._child.send_signal(number)

    def stop(self, within: float = 15.0) -> int:
        """Ask it to end, kill it where it does not; return its exit code."""
        if self._child.poll() is None:
            self._child.terminate()
        try:
            return self._child.wait(within)
        except subprocess.TimeoutExpired:
            self.kill()
            return self._child.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
