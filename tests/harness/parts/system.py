"""The whole system on one machine: real parts, a stand-in model unless the real one is asked for."""

import asyncio
from pathlib import Path
from typing import Self

from harness.models.standin import Standin
from harness.nats.bus import Bus
from harness.processes import plain_http
from harness.processes.ports import free_port
from harness.processes.process import BIN, Process
from harness.processes.wait import until
from stile.keys import signing as signing_keys


class System:
    """nats-server, filter-service, consumer and gateway before a model.

    Args:
        folder: an empty folder for all that they write.
        model: the model's server; its ``url`` is used.
        clients: names of direct clients.
        settings: further variables for every part.
        nats_urls: where a part reaches the bus, where that is not the bus's own address.
    """

    def __init__(
        self,
        folder: Path,
        model: Standin,
        *,
        clients: tuple[str, ...] = ("alice",),
        settings: dict[str, str] | None = None,
        nats_urls: dict[str, str] | None = None,
    ) -> None:
        self.folder = folder
        self.model = model
        self.bus = Bus(folder, clients=clients)
        self.port = free_port()
        self.consumer_port = free_port()
        self.filter_port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.parts: dict[str, Process] = {}
        self.nats_urls = nats_urls or {}
        self.model_url: str | None = None
        """Where the consumer reaches the model, where that is not the model's own address."""
        self._settings = settings or {}

    async def start(self) -> Self:
        """Start every part and wait until the gateway says that all are ready."""
        await self.bus.start()
        signing_keys.ensure(self.bus.seeds)
        for part in ("filter", "consumer", "gateway"):
            self.start_part(part)
        await self.ready(every=True)
        return self

    def start_part(self, part: str) -> None:
        """Start ``filter``, ``consumer`` or ``gateway`` (again)."""
        environment = {
            **self.bus.environment(part),
            "STILE_SIGNING_KEY": str(signing_keys.seed_file(self.bus.seeds)),
            "STILE_APPROVAL_KEYS": str(signing_keys.public_file(self.bus.seeds)),
            "STILE_PORT": str(self.port),
            "STILE_CONSUMER_PORT": str(self.consumer_port),
            "STILE_FILTER_PORT": str(self.filter_port),
            "STILE_LLAMA_URL": self.model_url or self.model.url,
            **self._settings,
        }
        if url := self.nats_urls.get(part):
            environment["STILE_NATS_URL"] = url
        log = self.folder / f"{part}.log"
        self.parts[part] = Process(BIN / f"stile-{part}", log=log, env=environment)

    async def ready(self, within: float = 180.0, *, every: bool = False) -> None:
        """Wait until the gateway says that every part is ready.

        Raises:
            RuntimeError: one has ended, and ``every`` one should run; the message is what it said.
        """

        async def answers() -> bool:
            for part, process in self.parts.items():
                if every and process.exit_code is not None:
                    raise RuntimeError(f"{part} has ended: {process.output()}")
            return await plain_http.status(f"{self.url}/readyz") == 200

        await until(answers, within=within, what="every part is ready")

    async def stop(self) -> None:
        """End every part, the gateway first."""
        for process in reversed(self.parts.values()):
            await asyncio.to_thread(process.stop)
        await self.bus.stop()
        await asyncio.to_thread(self.model.stop)
