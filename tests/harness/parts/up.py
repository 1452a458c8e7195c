"""`stile up` as a process, with a home and ports of its own."""

import asyncio
import json
import os
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

import httpx
import psutil

from harness.processes.ports import free_port
from harness.processes.process import BIN, Process
from harness.processes.wait import until

STILE = BIN / "stile"
PORTS = (
    "PORT",
    "NATS_PORT",
    "NATS_MONITOR_PORT",
    "LLAMA_PORT",
    "CONSUMER_PORT",
    "FILTER_PORT",
    "CONSOLE_PORT",
)


class Up:
    """One `stile up`, with a STILE_HOME and ports of its own."""

    def __init__(self, folder: Path, **settings: str) -> None:
        self.home = folder / "home"
        # All of them: those that it chooses by itself, another one on this machine may choose as well.
        self.ports = {name: free_port() for name in PORTS}
        self.environment = {
            "STILE_HOME": str(self.home),
            **{f"STILE_{name}": str(port) for name, port in self.ports.items()},
            **settings,
        }
        self.url = f"http://127.0.0.1:{self.ports['PORT']}"
        self._log = folder / "up.log"

    def start(self) -> Self:
        """Start it, and do not wait."""
        self.process = Process(STILE, "up", log=self._log, env=self.environment)
        return self

    async def ready(self) -> Self:
        """Wait until it says that everything runs."""
        await until(lambda: "Stile is up" in self.output() or self._over(), within=180, what="stile up")
        assert "Stile is up" in self.output(), self.output()
        return self

    def output(self) -> str:
        """Return what it has shown."""
        return self.process.output()

    async def run(self, *arguments: str) -> tuple[int | None, str, str]:
        """Run another `stile` command on the same installation."""
        environment = {**os.environ, **self.environment}
        child = await asyncio.create_subprocess_exec(
            STILE, *arguments, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        out, err = await asyncio.wait_for(child.communicate(), 120)
        return child.returncode, out.decode(), err.decode()

    async def status(self) -> dict[str, Any]:
        """Return `stile status --json`, by name."""
        _, out, _ = await self.run("status", "--json")
        return {part["name"]: part for part in json.loads(out)}

    async def ask(
        self, prompt: str, max_tokens: int = 20, headers: Mapping[str, str] | None = None
    ) -> httpx.Response:
        """Ask over HTTP."""
        async with httpx.AsyncClient(timeout=240, headers=headers) as client:
            return await client.post(f"{self.url}/chat", json={"prompt": prompt, "max_tokens": max_tokens})

    def _over(self) -> bool:
        return self.process.exit_code is not None


def family(pid: int) -> list[psutil.Process]:
    """Return a process and all that came from it."""
    with suppress(psutil.NoSuchProcess):
        process = psutil.Process(pid)
        return [process, *process.children(recursive=True)]
    return []


def alive(processes: list[psutil.Process]) -> list[psutil.Process]:
    """Return those that still run."""
    return [p for p in processes if p.is_running() and p.status() != psutil.STATUS_ZOMBIE]
