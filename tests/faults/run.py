"""Faults under load, and the accounting: ``python tests/faults/run.py --seconds 60 --seed 7``."""

import argparse
import asyncio
import random
import statistics
import sys
import tempfile
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent), str(HERE.parents[1] / "benchmarks")]

from measuring.machine import load, machine, write  # noqa: E402

from faults.accounting import Account, Generation, generations  # noqa: E402
from faults.breaking import Breaker, Kind  # noqa: E402
from faults.clients import DirectLoadClient, LoadClient, StreamLoadClient, WholeLoadClient, go_on  # noqa: E402
from faults.ledger import Ledger, Way  # noqa: E402
from harness.clients.http_client import HttpClient  # noqa: E402
from harness.models.standin import Standin  # noqa: E402
from harness.nats.results import Stored, stored  # noqa: E402
from harness.parts.system import System  # noqa: E402
from harness.processes.footprint import Footprint, footprints  # noqa: E402
from harness.processes.wait import until  # noqa: E402

RECOVERY_SECONDS = 60.0
DRAIN_SECONDS = 120.0
BETWEEN_SECONDS = (0.5, 2.5)
WHOLE, STREAMING, DIRECT = 3, 3, 2
"""Clients of each way."""
TOKENS, TOKEN_SECONDS = 6, 0.03
POLICY = "keywords:\n- {id: rude, category: rudeness, phrases: [darnation]}\n"
"""No scanner: what is timed is the filter's recovery, not the loading of somebody's classifier."""
GROWTH_MB = 40
"""What a part that lived through a phase may have grown by: caches, not a buffer for each request."""
GROWTH_DESCRIPTORS = 4


@dataclass
class Phase:
    """One kind of fault under load, and what came of it."""

    kind: Kind
    account: Account
    recoveries: list[float]
    """Seconds from each fault until a request that was first sent after it had its answer."""
    left_behind: list[str]

    def wrong(self) -> list[str]:
        """Return everything that must not be."""
        return self.account.wrong() + self.left_behind

    def row(self) -> str:
        """Make the phase's line of the table."""
        asked = self.account.ledger.asked
        learned = [entry for entry in asked if entry.learned]
        longest = max((entry.ended or time.time()) - entry.sent for entry in asked)
        worst = max(self.recoveries, default=float("nan"))
        middle = statistics.median(self.recoveries) if self.recoveries else float("nan")
        cells = (
            self.kind,
            len(self.account.faults),
            len(asked),
            sum(entry.accepted for entry in asked),
            len(learned),
            sum(entry.learned[0][0] == "error" for entry in learned),
            self.account.repeats(),
            f"{middle:.1f} s",
            f"{worst:.1f} s",
            f"{longest:.1f} s",
            len(self.wrong()),
        )
        return "| " + " | ".join(str(cell) for cell in cells) + " |"


HEADER = (
    "| fault | times | asked | heard `accepted` | learned | of these errors | generated again "
    "| recovery, median | worst | longest request | wrong |\n" + "|---" * 11 + "|"
)


class Run:
    """A system under load that is broken again and again.

    Args:
        folder: an empty one.
        seed: of all that is random.
    """

    def __init__(self, folder: Path, seed: int) -> None:
        self._folder = folder
        self._chance = random.Random(seed)
        (own := folder / "second").mkdir()
        self._records = [folder / "model.jsonl", folder / "second-model.jsonl"]
        speed = {"tokens": TOKENS, "token_seconds": TOKEN_SECONDS}
        self._model = Standin(folder, **speed, record=self._records[0])
        second = Standin(own, **speed, record=self._records[1])
        (policy := folder / "policy.yml").write_text(POLICY)
        self.system = System(folder, self._model, settings={"STILE_POLICY": str(policy)})
        self._breaker = Breaker(self.system, self._model, second, own, self._chance)

    async def start(self) -> None:
        """Start every part."""
        await self._model.start()
        await self._breaker.start()

    async def stop(self) -> None:
        """End every part."""
        await self.system.stop()
        await self._breaker.stop()

    async def phase(self, kind: Kind, seconds: float) -> Phase:
        """Break ``kind`` under load for so long, at least once; then let all learn, and account."""
        await self._breaker.prepare(kind)
        ledger, stop = Ledger(f"{kind.name.lower()}-{self._chance.randrange(10**6)}"), asyncio.Event()
        self._breaker.faults = []
        recoveries = []
        async with AsyncExitStack() as stack:
            askers = await self._askers(stack, ledger)
            load = [asyncio.create_task(go_on(asker, ledger, stop)) for asker in askers]
            stack.push_async_callback(_end, load)
            began = time.time()
            await until(lambda: ledger.answered_after(began), within=RECOVERY_SECONDS, what="an answer")
            before = footprints(self.system)
            while not recoveries or time.time() < began + seconds:
                await asyncio.sleep(self._chance.uniform(*BETWEEN_SECONDS))
                recoveries.append(await self._break(kind, ledger))
            stop.set()
            _, late = await asyncio.wait(load, timeout=DRAIN_SECONDS)
            for task in load:
                if task not in late:
                    task.result()
        await self.system.ready(within=RECOVERY_SECONDS)
        account = Account(ledger, self._breaker.faults, await self._stored(), self._done())
        return Phase(kind, account, recoveries, await self._left_behind(kind, before))

    async def _break(self, kind: Kind, ledger: Ledger) -> float:
        fault = await self._breaker.do(kind)
        way = Way.HTTP if kind is Kind.GATEWAY else None
        at = fault.over or fault.at if kind.is_cut else fault.at
        what = f"an answer after {kind}"
        answered = await until(lambda: ledger.answered_after(at, way), within=RECOVERY_SECONDS, what=what)
        return answered - at

    async def _askers(self, stack: AsyncExitStack, ledger: Ledger) -> list[LoadClient]:
        visitors = [
            await stack.enter_async_context(HttpClient(self.system.url, number))
            for number in range(WHOLE + STREAMING)
        ]
        askers: list[LoadClient] = [WholeLoadClient(visitor) for visitor in visitors[:WHOLE]]
        askers += [StreamLoadClient(visitor, ledger) for visitor in visitors[WHOLE:]]
        alice = await self.system.bus.connect(
            "alice", max_reconnect_attempts=-1, reconnect_time_wait=0.5, error_cb=_expected
        )
        stack.push_async_callback(alice.close)
        return askers + [DirectLoadClient(alice, "alice") for _ in range(DIRECT)]

    async def _stored(self) -> list[Stored]:
        provisioner = await self.system.bus.connect("provisioner")
        try:
            return await stored(provisioner)
        finally:
            await provisioner.close()

    def _done(self) -> list[Generation]:
        return [entry for record in self._records for entry in generations(record)]

    async def _left_behind(self, kind: Kind, before: dict[str, Footprint]) -> list[str]:
        lived = {part: held for part, held in before.items() if part not in kind.killed}

        def grown() -> list[str]:
            after = footprints(self.system)
            return [
                f"{part}: {held} before, {after[part]} after"
                for part, held in lived.items()
                if after[part].descriptors > held.descriptors + GROWTH_DESCRIPTORS
                or after[part].megabytes > held.megabytes + GROWTH_MB
            ]

        try:
            await until(lambda: not grown(), within=20, what="memory and descriptors are where they were")
        except TimeoutError:
            return grown()
        return []


async def _expected(_: Exception) -> None:
    """That the server goes away is what this is about."""


async def _end(tasks: list[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def table(phases: list[Phase]) -> str:
    """Make the table of all phases."""
    return "\n".join([HEADER, *(phase.row() for phase in phases)])


async def main() -> int:
    """Run every phase, print the table and what is wrong; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60, help="of each kind of fault")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    parser.add_argument("--kind", choices=[kind.name.lower() for kind in Kind], action="append")
    parser.add_argument(
        "--keep", type=Path, help="an empty folder for logs and streams, in place of one that goes"
    )
    options = parser.parse_args()
    kinds = [kind for kind in Kind if not options.kind or kind.name.lower() in options.kind]
    head = ["# Faults under load", "", *machine(), f"{load()}, seed {options.seed}", "", *_what(), ""]
    print(*head, HEADER, sep="\n", flush=True)
    phases = []
    with tempfile.TemporaryDirectory() as name:
        run = Run(options.keep or Path(name), options.seed)
        try:
            await run.start()
            for kind in kinds:
                phases.append(await run.phase(kind, options.seconds))
                print(phases[-1].row(), flush=True)
        finally:
            await run.stop()
    wrong = [sentence for phase in phases for sentence in phase.wrong()]
    faults = sum(len(phase.account.faults) for phase in phases)
    asked = sum(len(phase.account.ledger.asked) for phase in phases)
    verdict = f"{faults} faults, {asked} requests, {len(wrong)} wrong."
    told = [verdict, *(f"- {sentence}" for sentence in wrong)]
    print(*told, sep="\n")
    if not options.kind:
        write("faults", "\n".join([*head, table(phases), "", *told]) + "\n")
    return bool(wrong)


def _what() -> list[str]:
    return [
        f"{WHOLE + STREAMING} clients over HTTP, {DIRECT} straight over NATS, each with one request at a",
        "time, under a key, repeated until it has learned; a stand-in model whose answers take",
        f"{TOKENS * TOKEN_SECONDS:.2f} s; one worker, and a second one while the first is paused.",
        "Recovery: from the kill until a request that was first sent after it had its answer, its wait in",
        "the queue included; after a cut, from its end.",
    ]


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
