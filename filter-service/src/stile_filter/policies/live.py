"""The guard in use, and how a changed policy replaces it."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol

import structlog

from stile_filter.errors import Fault, PolicyError
from stile_filter.guard.policy import Files
from stile_filter.policies.guard import Guard

LOOK_SECONDS = 1.0
"""Between two looks at the files. A change is read when two looks in a row have found the same files, so that
a half-written file is not read."""

log = structlog.get_logger()


class Observer(Protocol):
    """Counts changed policies: loaded or refused."""

    def policy_loaded(self, version: str) -> None:
        """Note that the file is the policy in use."""
        ...

    def policy_refused(self) -> None:
        """Note that the file is refused, and the policy before it goes on."""
        ...


class LivePolicy:
    """Holds the guard in use.

    Args:
        first: the guard to begin with; ``start`` starts it.
        make: reads the policy's file.
        files: of the first guard; what they watch from the start is watched on.
        observer: counts changed policies.
        look_seconds: between two looks.
    """

    def __init__(
        self,
        first: Guard,
        make: Callable[[Files], Guard],
        files: Files,
        observer: Observer,
        look_seconds: float = LOOK_SECONDS,
    ) -> None:
        self.guard = first
        self.fault: PolicyError | None = None
        """Why the file as it is now is not used."""
        self.swapped: Callable[[Guard], None] = lambda _: None
        """Called with each guard that takes over."""
        self.retired: Callable[[], None] = lambda: None
        """Called when a former guard has ended."""
        self._make = make
        self._files = files
        self._observer = observer
        self._look_seconds = look_seconds
        self._leases: dict[Guard, int] = {}
        self._closing: set[asyncio.Task[None]] = set()
        self._asked = asyncio.Event()

    async def start(self) -> None:
        """Start the first guard.

        Raises:
            PolicyError: it can't be used.
        """
        await self.guard.start()
        self._observer.policy_loaded(self.guard.policy.version)

    @contextmanager
    def lease(self) -> Iterator[Guard]:
        """Return the guard in use; it stays open until the request has ended."""
        guard = self.guard
        self._leases[guard] = self._leases.get(guard, 0) + 1
        try:
            yield guard
        finally:
            self._leases[guard] -= 1
            if not self._leases[guard]:
                del self._leases[guard]
                if guard is not self.guard:
                    self._retire(guard)

    def reload(self) -> None:
        """Have the files read again, whether they have changed or not."""
        self._asked.set()

    async def keep_watching(self) -> None:
        """Read the files again whenever they change; a policy that can't be used changes nothing."""
        while True:
            if await self._wait_for_change():
                await self._load()

    async def close(self) -> None:
        """End all scanners."""
        guards = {self.guard, *self._leases}
        await asyncio.gather(*(guard.close() for guard in guards))
        await asyncio.gather(*self._closing)

    async def _wait_for_change(self) -> bool:
        """Wait for the next look; return whether the files must be read."""
        try:
            async with asyncio.timeout(self._look_seconds):
                await self._asked.wait()
        except TimeoutError:
            if not await asyncio.to_thread(self._files.have_changed):
                return False
            before = self._files.state()
            await asyncio.sleep(self._look_seconds / 4)
            return self._files.state() == before
        return True

    async def _load(self) -> None:
        is_asked = self._asked.is_set()
        self._asked.clear()
        self._files = files = self._files.again(self.guard.policy.file.path)
        try:
            # It takes a tenth of a second; in a thread, so that requests are judged in that time.
            guard = await asyncio.to_thread(self._make, files)
            if guard.policy.hash == self.guard.policy.hash and not is_asked:
                self._take_back()
                return
            await guard.start()
            if await asyncio.to_thread(files.have_changed):
                # The files have changed again since they were read; the next look reads them.
                await guard.close()
                return
        except PolicyError as error:
            self._refuse(error)
        except Exception as error:  # noqa: BLE001 -- any fault of a reader leaves the policy in use
            fault = Fault(1, f"can't be used: {type(error).__name__}: {error}")
            self._refuse(PolicyError(self.guard.policy.file.path, [fault]))
        else:
            self._swap(guard)

    def _take_back(self) -> None:
        """Note that the files are the policy in use again."""
        if self.fault is not None:
            log.info("policy_changed", policy=self.guard.policy.version, before=self.guard.policy.version)
            self.fault = None
            self._observer.policy_loaded(self.guard.policy.version)

    def _refuse(self, error: PolicyError) -> None:
        self.fault = error
        self._observer.policy_refused()
        for fault in error.faults:
            log.error(
                "policy_refused",
                file=str(error.file),
                line=fault.line,
                reason=fault.reason,
                policy=self.guard.policy.version,
            )

    def _swap(self, guard: Guard) -> None:
        before, self.guard, self.fault = self.guard, guard, None
        self.swapped(guard)
        self._observer.policy_loaded(guard.policy.version)
        log.info("policy_changed", policy=guard.policy.version, before=before.policy.version)
        if before not in self._leases:
            self._retire(before)

    def _retire(self, guard: Guard) -> None:
        task = asyncio.create_task(guard.close())
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)
        task.add_done_callback(lambda _: self.retired())
