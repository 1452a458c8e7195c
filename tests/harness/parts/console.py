"""The console as a process, and a client that is signed in to it."""

import asyncio
from pathlib import Path
from typing import Self

import httpx

from harness.nats.bus import Bus
from harness.processes import plain_http
from harness.processes.ports import free_port
from harness.processes.process import BIN, Process
from harness.processes.wait import until
from stile_runtime.installation import console_tokens


class Console:
    """A ``stile-console`` on a free port.

    Args:
        bus: which it joins as the user ``console``.
        home: the installation's folder.
        policy: the file that it may change.
        settings: further variables.
    """

    def __init__(self, bus: Bus, home: Path, policy: Path, **settings: str) -> None:
        self.home = home
        self.policy = policy
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._environment = {
            **bus.environment("console"),
            "STILE_HOME": str(home),
            "STILE_CONSOLE_PORT": str(self.port),
            "STILE_POLICY": str(policy),
            "STILE_POLICY_TARGET": str(policy),
            **settings,
        }
        self._process: Process | None = None

    async def start(self) -> Self:
        """Start it, and wait until it answers."""
        self.home.mkdir(parents=True, exist_ok=True)
        log = self.home / f"console-{self.port}.log"
        self._process = process = Process(BIN / "stile-console", log=log, env=self._environment)

        async def answers() -> bool:
            if process.exit_code is not None:
                raise RuntimeError(f"the console has ended: {process.output()}")
            return await plain_http.status(f"{self.url}/healthz") == 200

        await until(answers, within=90, what="the console answers")
        return self

    @property
    def link(self) -> str:
        """A new link that opens it once."""
        return f"{self.url}/#token={console_tokens.make(self.home / console_tokens.FILE)}"

    async def owner(self) -> httpx.AsyncClient:
        """Return a client that is signed in, with ``/api/`` before its addresses; close it."""
        client = plain_http.client(base_url=f"{self.url}/api/", timeout=120)
        token = console_tokens.make(self.home / console_tokens.FILE)
        answer = await client.post("session", json={"token": token})
        client.headers["Stile-Session"] = answer.raise_for_status().json()["proof"]
        return client

    async def stop(self) -> int | None:
        """End it; return its exit code."""
        return await asyncio.to_thread(self._process.stop) if self._process else None
