"""Any number of filters, gateways, and consumers with a model each, on one bus or cluster."""

import asyncio
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

import httpx

from harness.models.standin import Standin
from harness.nats.bus import Bus
from harness.nats.cluster import Cluster
from harness.processes import plain_http
from harness.processes.ports import free_port
from harness.processes.process import BIN, Process
from harness.processes.wait import until


class Part:
    """A service as a process; its address, and whether it is ready."""

    def __init__(self, process: Process, url: str, model: Standin | None = None) -> None:
        self.process = process
        self.url = url
        self.model = model

    async def is_ready(self) -> bool:
        """Ask it; a gateway is ready when it knows of a filter and a consumer that are."""
        return await plain_http.status(f"{self.url}/readyz") == 200


class Fleet:
    """Starts parts and keeps them; what left stays in ``models``, so that its record can be read.

    Args:
        folder: for logs.
        bus: started already.
        accept_seconds: how long a gateway asks until a filter has accepted a request.
        settings: further variables for every part.
        **speed: of every stand-in model.
    """

    def __init__(
        self,
        folder: Path,
        bus: Bus | Cluster,
        *,
        accept_seconds: float = 30,
        settings: Mapping[str, str] | None = None,
        **speed: Any,
    ) -> None:
        self.bus = bus
        self.parts: dict[str, Part] = {}
        self.models: dict[str, Standin] = {}
        self._folder = folder
        self._accept_seconds = accept_seconds
        self._settings = settings or {}
        self._speed = speed

    async def start(self, *, filters: int = 1, consumers: int = 1, gateways: int = 1) -> Self:
        """Start so many of each, and wait until all are ready."""
        kinds = [("filter", filters), ("consumer", consumers), ("gateway", gateways)]
        names = [f"{kind}-{number}" for kind, count in kinds for number in range(1, count + 1)]
        for name in names:
            await self.add(name)
        await self.ready(*names)
        return self

    async def add(self, name: str, model: str = "standin") -> Part:
        """Start a part, ``filter-1`` or ``consumer-new``; a consumer gets a model of its own, of that name.

        One that was there before gets the model back that it had.
        """
        kind = name.split("-", maxsplit=1)[0]
        port = free_port()
        prefix = {"filter": "STILE_FILTER_", "consumer": "STILE_CONSUMER_", "gateway": "STILE_"}[kind]
        environment = {**self.bus.environment(kind), f"{prefix}PORT": str(port), **self._settings}
        if kind == "gateway":
            environment["STILE_ACCEPT_TIMEOUT"] = str(self._accept_seconds)
        standin = None
        if kind == "consumer":
            if name not in self.models:
                folder = self._folder / name
                folder.mkdir()
                self.models[name] = await Standin(folder, model=model, **self._speed).start()
            standin = self.models[name]
            environment["STILE_LLAMA_URL"] = standin.url
        process = Process(BIN / f"stile-{kind}", log=self._folder / f"{name}.log", env=environment)
        self.parts[name] = Part(process, f"http://127.0.0.1:{port}", standin)
        return self.parts[name]

    async def ready(self, *names: str) -> None:
        """Wait until the parts named, or all, are ready."""
        for name in names or self.parts:
            await until(self.parts[name].is_ready, within=180, what=f"{name} is ready")

    async def remove(self, name: str) -> int:
        """Ask a part to leave; its model stays. Returns its exit code."""
        return await asyncio.to_thread(self.parts.pop(name).process.stop, 60)

    def kill(self, name: str) -> None:
        """End a part at once, as a crash would."""
        self.parts.pop(name).process.kill()

    async def ask(
        self, client: httpx.AsyncClient, prompt: str, gateway: str = "gateway-1", **fields: Any
    ) -> str:
        """Ask over HTTP; return the answer's first words, or the error's code."""
        answer = await client.post(f"{self.parts[gateway].url}/chat", json={"prompt": prompt, **fields})
        body = answer.json()
        return str(body["response"].split(" word")[0] if answer.status_code == 200 else body["error"]["code"])

    async def generated(self) -> Counter[str]:
        """Count how often each prompt was answered to its end, over all models."""
        entries = [entry for model in self.models.values() for entry in (await model.log())["generations"]]
        return Counter(entry["prompt"] for entry in entries if entry["outcome"] == "done")

    async def most_open(self) -> dict[str, int]:
        """Tell of each model how many requests were ever open at once."""
        return {name: (await model.log())["most_open"] for name, model in self.models.items()}

    async def stop(self) -> None:
        """End every part, the gateways first, then the models."""
        for part in reversed(self.parts.values()):
            await asyncio.to_thread(part.process.stop)
        for model in self.models.values():
            await asyncio.to_thread(model.stop)
