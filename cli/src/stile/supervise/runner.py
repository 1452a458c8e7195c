"""Keeps one part alive: starts it, knows when it is ready, starts it again when it died, stops it."""

import asyncio
import contextlib
import json
import math
import os
import signal
import sys
import time
from asyncio.subprocess import DEVNULL, STDOUT, Process
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from stile.errors import PartError
from stile.services import http
from stile.settings import SECRETS
from stile.supervise import child
from stile.supervise.log import PartLog
from stile.supervise.parts import Part
from stile_runtime.installation.state import PartState, PartStatus, created

FIRST_DELAY = 0.5
LONGEST_DELAY = 10.0
HEALTHY_SECONDS = 60.0
"""A part that lived this long begins again with the shortest delay."""
MOST_DEATHS = 5
DEATHS_WITHIN = 90.0
"""A part that dies ``MOST_DEATHS`` times within these seconds is given up."""
_ASK_EVERY = 0.2
_LOOK_EVERY = 1.0
"""Whether a part that runs is stuck."""
_ANSWER_SECONDS = 5.0


class Runner:
    """One part, and its present process.

    Args:
        part: what to run.
        log: where its output goes.
        changed: called after every change of ``status``.
        say: shows a sentence about a death.
    """

    def __init__(
        self, part: Part, log: PartLog, changed: Callable[[], None], say: Callable[[str], None]
    ) -> None:
        self.part = part
        self.log = log
        self.ready = asyncio.Event()
        """Set when it was ready for the first time."""
        self.due = asyncio.Event()
        """Set when the parts before it are ready: from then on its start may take ``ready_within``."""
        self.status = PartStatus(part.name, port=part.port)
        self._changed = changed
        self._say = say
        self._process: Process | None = None
        self._output = -1
        self._spawning = asyncio.Lock()
        self._stopping = False
        self._is_stuck = False
        self._is_wanted = False
        """Whether it was ended to be started again."""

    async def keep(self) -> None:
        """Run the part and start it again whenever it dies, until ``stop``.

        Raises:
            PartError: it refuses to start, keeps dying, or does not become ready in time, and the others
                need it.
        """
        try:
            await self._keep()
        except PartError as error:
            if self.part.is_needed:
                raise
            self._say(f"{error}: everything else goes on without it")
            self.kill()
            self._become(PartState.STOPPED)
            self.ready.set()
            await asyncio.Event().wait()  # until cancelled: the start goes on

    async def _keep(self) -> None:
        if self.part.is_external:
            await self._use()
        deaths: deque[float] = deque(maxlen=MOST_DEATHS)
        delay = FIRST_DELAY
        while (process := await self._spawn()) is not None:
            born = time.monotonic()
            code = await self._live(process)
            if self._stopping:
                return
            if self._is_stuck or self._is_wanted:
                self._become(PartState.RESTARTING, restarts=1)
                continue
            died = time.monotonic()
            how = _ending(code)
            if code > 0 and not self.ready.is_set():
                # A service ends so if a setting is wrong; the next start would end in the same way.
                raise self._error(f"{self.part.name} did not start ({how})")
            deaths.append(died)
            if len(deaths) == MOST_DEATHS and died - deaths[0] <= DEATHS_WITHIN:
                raise self._error(f"{self.part.name} keeps dying (last: {how})")
            if died - born >= HEALTHY_SECONDS:
                delay = FIRST_DELAY
            self._say(f"{self.part.name} died ({how}); it is started again in {delay:g} s")
            self._become(PartState.RESTARTING, restarts=1)
            await asyncio.sleep(delay)
            delay = min(2 * delay, LONGEST_DELAY)

    async def restart(self) -> None:
        """End the part, have it started again, and wait until it is ready; a dead one is started anyway."""
        async with self._spawning:
            process = self._process
        if process is not None and process.returncode is None and not self._stopping:
            self._is_wanted = True
            self._say(f"{self.part.name}: restarting")
            await self._end(process)
        while self._process is process or self.status.state != PartState.RUNNING:  # noqa: ASYNC110 -- `keep` does it
            await asyncio.sleep(_ASK_EVERY)
        self._say(f"{self.part.name}: ready again")

    def hold(self) -> None:
        """Start the part no more, whatever becomes of it."""
        self._stopping = True

    async def stop(self) -> None:
        """Ask the part to end, and see that it does."""
        self.hold()
        async with self._spawning:
            process = self._process
        if process is None:
            return
        await self._end(process)
        self._become(PartState.STOPPED)

    async def _end(self, process: Process) -> None:
        self._become(PartState.STOPPING, process=process)
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        try:
            await asyncio.wait_for(process.wait(), self.part.stop_within)
        except TimeoutError:
            self._say(f"{self.part.name} did not end within {self.part.stop_within:g} s; it is killed")
            self.kill()
            await process.wait()
        self.kill()

    def kill(self) -> None:
        """End the part and whatever it has started, at once."""
        if self._process is not None:
            # The part leads a process group of its own: what is left of it goes too.
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)

    async def _spawn(self) -> Process | None:
        """Start the process; return None if the part is to stop."""
        async with self._spawning:
            if self._stopping:
                return None
            self._output, writing = os.pipe()
            try:
                process = await asyncio.create_subprocess_exec(
                    *(sys.executable, "-I", "-S", str(Path(child.__file__)), str(os.getpid())),
                    *self.part.argv,
                    stdin=DEVNULL,
                    stdout=writing,
                    stderr=STDOUT,
                    env={name: value for name, value in os.environ.items() if name not in SECRETS}
                    | dict(self.part.env),
                    start_new_session=True,  # a terminal's Ctrl-C is for the supervisor, which stops in order
                )
            finally:
                os.close(writing)
            self._process = process
            self._is_stuck = self._is_wanted = False
        self._become(PartState.STARTING, process=process)
        return process

    async def _live(self, process: Process) -> int:
        """Read the process's output until it ends; return its exit code."""
        reading = asyncio.create_task(self._read(self._output))
        readiness = asyncio.create_task(self._await_readiness())
        looking = asyncio.create_task(self._end_if_stuck(process, readiness))
        ended = asyncio.create_task(process.wait())
        try:
            await asyncio.wait({ended, readiness}, return_when=asyncio.FIRST_COMPLETED)
            if not ended.done():
                readiness.result()
            code = await ended
            self.kill()
            # Its last output may still be on the way; another process that holds the pipe is not
            # waited for.
            await asyncio.wait({reading}, timeout=1.0)
            return code
        finally:
            for task in (reading, readiness, looking, ended):
                task.cancel()
            self.log.end()

    async def _use(self) -> None:
        """Use a part that was not started here.

        Raises:
            PartError: nothing answers there.
        """
        if not await _answers(self.part.ready_url):
            raise PartError(f"{self.part.name}: nobody answers on {self.part.ready_url}")
        self._become(PartState.EXTERNAL)
        self.ready.set()
        await asyncio.Event().wait()  # until cancelled: there is nothing to keep

    async def _read(self, descriptor: int) -> None:
        reader = asyncio.StreamReader()
        transport, _ = await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(descriptor, "rb", buffering=0)
        )
        try:
            while data := await reader.read(64 * 1024):
                self.log.feed(data)
        finally:
            transport.close()

    async def _await_readiness(self) -> None:
        deadline = math.inf
        while True:
            asked = time.monotonic()
            if await _answers(self.part.ready_url):
                break
            self.log.was_not_ready(asked)
            if self.due.is_set():
                deadline = min(deadline, time.monotonic() + self.part.ready_within)
            if time.monotonic() > deadline:
                raise self._error(f"{self.part.name} is not ready after {self.part.ready_within:g} s")
            await asyncio.sleep(_ASK_EVERY)
        self.log.is_ready()
        self._become(PartState.RUNNING, process=self._process)
        self.ready.set()

    async def _end_if_stuck(self, process: Process, readiness: asyncio.Task[None]) -> None:
        """Once it was ready, end it if it lives but does no work; ``keep`` starts it again."""
        if self.part.stuck_url is None:
            return
        await asyncio.wait({readiness})
        while not await _says_stuck(self.part.stuck_url):  # noqa: ASYNC110 -- another process says it
            await asyncio.sleep(_LOOK_EVERY)
        self._is_stuck = True
        self._say(f"{self.part.name} does no more work, though it was ready; it is ended and started again")
        await self._end(process)

    def _become(self, state: PartState, *, process: Process | None = None, restarts: int = 0) -> None:
        """Change the part's status; ``restarts`` is added to those before."""
        pid = process.pid if process else None
        self.status = replace(
            self.status,
            state=state,
            pid=pid,
            created=created(pid) if pid else None,
            restarts=self.status.restarts + restarts,
        )
        self._changed()

    def _error(self, message: str) -> PartError:
        return PartError(message, self.log.last_lines)


async def _answers(url: str) -> bool:
    try:
        return (await _get(url)).status == 200
    except http.Faults:
        return False


async def _says_stuck(url: str) -> bool:
    try:
        body = json.loads((await _get(url)).text)
    except (*http.Faults, ValueError):
        return False
    return isinstance(body, dict) and body.get("stuck") is True


async def _get(url: str) -> http.Answer:
    return await asyncio.to_thread(http.get, url, seconds=_ANSWER_SECONDS)


def _ending(code: int) -> str:
    return f"by signal {signal.Signals(-code).name}" if code < 0 else f"with exit code {code}"
