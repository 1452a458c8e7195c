"""Starts the first part, then the others at once; keeps them, and stops them in the opposite order."""

import asyncio
import os
import signal
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from stile.errors import PartError, StileError
from stile.supervise.log import PartLog
from stile.supervise.parts import Part
from stile.supervise.runner import Runner
from stile.supervise.terminal import Terminal
from stile_runtime.installation import state


class Supervisor:
    """All parts of one `stile up`; ``run`` once, in the main thread.

    The children ask the kernel to end with the thread that made them (child.py), so that thread
    must be the one that lives as long as the process.

    Args:
        parts: the first is the one that the others need; each becomes ready after those before it.
        logs: folder of their logs.
        state_file: what `stile status` reads.
        terminal: what people see.
        restarts: the file that says which parts to restart, when SIGUSR1 comes.
    """

    def __init__(
        self,
        parts: Sequence[Part],
        logs: Path,
        state_file: Path,
        terminal: Terminal,
        *,
        restarts: Path | None = None,
    ) -> None:
        logs.mkdir(parents=True, exist_ok=True)
        self._restarts = restarts
        self._restarting: set[asyncio.Task[None]] = set()
        self._is_ready_once = False
        self._state_file = state_file
        self._terminal = terminal
        self._created = state.created(os.getpid()) or 0.0
        self._runners = [
            Runner(part, self._log(part, logs), self._write_state, terminal.say) for part in parts
        ]

    async def run(self, announce: Callable[[], None]) -> None:
        """Start everything, ``announce`` it, and keep it until SIGINT or SIGTERM.

        Raises:
            PartError: a part cannot be started, or keeps dying. Nothing is left running.
        """
        stopping = self._on_signals()
        keepers: list[asyncio.Task[None]] = []
        stop = asyncio.create_task(stopping.wait())
        try:
            first, *others = self._runners
            for runners in ([first], others):
                keepers += [asyncio.create_task(one.keep(), name=one.part.name) for one in runners]
                for runner in runners:
                    if not await self._is_ready(runner, keepers, stop):
                        return
                    await runner.part.once_ready()
            announce()
            self._is_ready_once = True
            self._write_state()
            await _first(*keepers, stop)
        finally:
            for task in self._restarting:
                task.cancel()
            await self._stop(keepers)
            stop.cancel()

    async def _is_ready(
        self, runner: Runner, keepers: list[asyncio.Task[None]], stop: asyncio.Task[bool]
    ) -> bool:
        """Wait until the part is ready; return False if everything is to stop before that."""
        began = time.monotonic()
        runner.due.set()
        ready = asyncio.create_task(runner.ready.wait())
        try:
            with self._terminal.waiting(f"{runner.part.name}: starting …"):
                while not ready.done() and not stop.done():
                    await _first(*keepers, stop, ready, within=10.0)
                    if not ready.done() and not stop.done():
                        self._terminal.say(
                            f"{runner.part.name}: still starting, {time.monotonic() - began:.0f} s"
                        )
        finally:
            ready.cancel()
        if stop.done():
            return False
        self._terminal.say(f"{runner.part.name}: ready after {time.monotonic() - began:.1f} s")
        return True

    def _log(self, part: Part, folder: Path) -> PartLog:
        return PartLog(part.name, folder, self._terminal, quotes_requests=part.quotes_requests)

    def _on_signals(self) -> asyncio.Event:
        stopping = asyncio.Event()

        def on_signal() -> None:
            if stopping.is_set():
                self._terminal.say("Killing everything.")
                for runner in self._runners:
                    runner.kill()
            stopping.set()

        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, on_signal)
        if self._restarts is not None:
            loop.add_signal_handler(signal.SIGUSR1, self._on_restart)
        return stopping

    def _on_restart(self) -> None:
        """Restart the parts that the file names, one after another, each when the one before is ready."""
        if self._restarts is None or not self._is_ready_once:
            return
        try:
            wanted = self._restarts.read_text().split()
            self._restarts.unlink()
        except OSError:
            return
        task = asyncio.create_task(self._restart(wanted))
        self._restarting.add(task)
        task.add_done_callback(self._restarting.discard)

    async def _restart(self, wanted: Sequence[str]) -> None:
        for runner in self._runners:
            if runner.part.name in wanted and not runner.part.is_external:
                await runner.restart()

    async def _stop(self, keepers: list[asyncio.Task[None]]) -> None:
        for runner in self._runners:
            runner.hold()
        running = [runner for runner in reversed(self._runners) if runner.status.pid is not None]
        if running:
            self._terminal.say("Stopping …")
        for runner in running:
            await runner.stop()
            self._terminal.say(f"{runner.part.name}: stopped")
        for keeper in keepers:
            keeper.cancel()
        await asyncio.gather(*keepers, return_exceptions=True)
        for runner in self._runners:
            runner.log.close()
        self._state_file.unlink(missing_ok=True)

    def _write_state(self) -> None:
        parts = tuple(runner.status for runner in self._runners)
        state.write(
            self._state_file,
            state.State(
                os.getpid(),
                self._created,
                parts,
                ready=self._is_ready_once,
                takes_restarts=self._restarts is not None,
            ),
        )


async def _first(*tasks: asyncio.Task[None] | asyncio.Task[bool], within: float | None = None) -> None:
    """Wait ``within`` seconds for the first of ``tasks``, and raise what it raised."""
    done, _ = await asyncio.wait(tasks, timeout=within, return_when=asyncio.FIRST_COMPLETED)
    for task in done:
        if isinstance(error := task.exception(), StileError):
            raise error
        if error is not None:
            raise PartError(f"{task.get_name()}: {error!r}") from error
