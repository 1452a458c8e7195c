"""An edge site: its own nats-server, a leaf of a hub's, over a link that can be cut."""

import asyncio
import os
import subprocess
from pathlib import Path
from typing import Any, Self

import httpx
import nats
from nats.aio.client import Client

from harness.nats.bus import Bus
from harness.nats.cuttable_link import CuttableLink
from harness.parts.gateway import Gateway
from harness.processes import plain_http
from harness.processes.ports import free_port
from harness.processes.process import BIN, Process
from harness.processes.wait import until
from stile.home import Home
from stile.keys import credentials

USERS = 2
"""Who speaks for the site at the hub: a direct client and the gateway, an account each."""


class LeafSite:
    """The site's nats-server, the link to the hub, and where they are wanted a gateway and a device.

    Args:
        folder: an empty folder for what `stile leaf` writes and for logs.
        hub: started, with ``hub=True``.
        **variables: what `stile leaf` reads besides.
    """

    def __init__(self, folder: Path, hub: Bus, **variables: str) -> None:
        self.hub = hub
        self.url = f"nats://127.0.0.1:{free_port()}"
        self.link = CuttableLink(hub.leaf_port)
        self.gateway: Gateway | None = None
        self.process: Process | None = None
        self._folder = folder
        self._variables = variables
        self._monitor = f"127.0.0.1:{free_port()}"

    async def start(self) -> Self:
        """Start it, and wait until it has joined the hub."""
        await self.begin()
        await self.joined(USERS)
        return self

    async def begin(self) -> Process:
        """Start it; whether the hub lets it in shows later."""
        await self.link.mend()
        home = Home(self._folder / "home")
        # The hub's own keys, where `stile` looks for them.
        home.folder.mkdir(parents=True)
        home.credentials.symlink_to(self.hub.seeds)
        home.clients.symlink_to(self.hub.seeds)
        written = self._folder / "site"
        hub = f"nats-leaf://127.0.0.1:{self.link.port}"
        await asyncio.to_thread(
            subprocess.run,
            [BIN / "stile", "leaf", written, "--hub", hub, "--client", "alice", "--gateway"],
            env={**os.environ, **self._variables, "STILE_HOME": str(home.folder)},
            check=True,
        )
        self.process = Process(
            BIN / "nats-server",
            "-c",
            "leaf.conf",
            log=self._folder / "site.log",
            cwd=written,
            env={
                "STILE_NATS_NAME": "site",
                "STILE_NATS_LISTEN": self.url.removeprefix("nats://"),
                "STILE_NATS_MONITOR": self._monitor,
            },
        )
        return self.process

    async def open_gateway(self) -> None:
        """Start a gateway at the site, and wait until it knows of the hub's parts."""
        # Whoever asks at once should be heard for longer than the link is away.
        patience = {"STILE_ACCEPT_TIMEOUT": "300", "STILE_ANSWER_TIMEOUT": "300"}
        self.gateway = await Gateway(self, self._folder, **patience).start()
        await until(self._is_ready, within=60, what="the site's gateway knows of the hub's parts")

    def environment(self, user: str) -> dict[str, str]:
        """Return the variables that a service at the site needs to connect as ``user``."""
        return {**self.hub.environment(user), "STILE_NATS_URL": self.url}

    async def device(self, **options: Any) -> Client:
        """Connect to the site's server as the direct client."""
        seed = credentials.seed_file(self.hub.seeds, "alice")
        return await nats.connect(self.url, nkeys_seed=str(seed), max_reconnect_attempts=-1, **options)

    async def is_alone(self) -> bool:
        """Tell whether the site's gateway hears nothing of the hub's parts."""
        asked = self._gateway()
        return not await asked.part("filter") and not await asked.part("consumer")

    async def joined(self, accounts: int) -> None:
        """Wait until so many accounts are tied to the hub."""

        async def links() -> bool:
            async with plain_http.client() as client:
                try:
                    said = await client.get(f"http://{self._monitor}/leafz")
                    return bool(said.json()["leafnodes"] == accounts)
                except (httpx.TransportError, KeyError):
                    return False

        await until(links, within=60, what=f"{accounts} accounts are tied to the hub")

    async def stop(self) -> None:
        """End what runs, and the link."""
        if self.gateway:
            await self.gateway.stop()
        if self.process:
            await asyncio.to_thread(self.process.stop)
        await self.link.cut()

    async def _is_ready(self) -> bool:
        return await plain_http.status(f"{self._gateway().url}/readyz") == 200

    def _gateway(self) -> Gateway:
        if self.gateway is None:
            raise RuntimeError("open the gateway first")
        return self.gateway
