"""The order in which the parts are started; the processes themselves are in tests/integration."""

import asyncio

import pytest

from stile.supervise import supervisor as supervising
from stile.supervise.parts import Part
from stile.supervise.supervisor import Supervisor
from stile.supervise.terminal import Terminal
from stile_runtime.installation.state import PartStatus


class PartInMemory:
    """A ``Runner`` without a process: it is ready when every part of ``waits_for`` was started."""

    waits_for: tuple[str, ...] = ()
    happened: list[str]

    def __init__(self, part, log, changed, say):
        del changed, say
        self.part, self.log = part, log
        self.ready, self.due = asyncio.Event(), asyncio.Event()
        self.status = PartStatus(part.name)

    async def keep(self):
        self.happened.append(f"{self.part.name} starts")
        while not {f"{name} starts" for name in self.waits_for} <= set(self.happened):  # noqa: ASYNC110
            await asyncio.sleep(0)
        self.happened.append(f"{self.part.name} is ready")
        self.ready.set()
        await asyncio.Event().wait()

    def hold(self):
        """Nothing runs."""


async def test_the_first_part_starts_alone_and_the_others_at_once(monkeypatch, tmp_path):
    """The model may take minutes; meanwhile the gateway is started, but its time does not run yet."""
    happened: list[str] = []
    due: dict[str, bool] = {}

    class InMemory(PartInMemory):
        def __init__(self, part, log, changed, say):
            super().__init__(part, log, changed, say)
            self.happened = happened
            self.waits_for = ("gateway",) if part.name == "llama" else ()

        async def keep(self):
            due[self.part.name] = self.due.is_set()
            await super().keep()

    async def provisioned():
        happened.append("the streams are made")

    def part(name, **options):
        return Part(name=name, argv=("/bin/true",), env={}, port=None, ready_url="", **options)

    monkeypatch.setattr(supervising, "Runner", InMemory)
    parts = [part("nats", once_ready=provisioned), part("llama"), part("gateway")]
    supervisor = Supervisor(parts, tmp_path / "logs", tmp_path / "state", Terminal())
    announced = asyncio.Event()
    running = asyncio.create_task(supervisor.run(announced.set))
    async with asyncio.timeout(10):
        await announced.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert happened[:3] == ["nats starts", "nats is ready", "the streams are made"]
    assert happened.index("gateway starts") < happened.index("llama is ready")
    assert due["gateway"] is False
