"""A real nats-server with the project's own configuration, credentials and streams."""

import asyncio
from pathlib import Path
from typing import Any, Self

import nats
from nats.aio.client import Client

from harness.nats.certificates import Certificates
from harness.processes.ports import free_port
from harness.processes.process import BIN, Process
from harness.processes.wait import until
from stile.keys import credentials
from stile.nats import config as nats_config
from stile.nats import provision
from stile.nats import tls as nats_tls
from stile.nats.values import quoted

REPOSITORY = Path(__file__).parents[3]
CONFIGURATION = REPOSITORY / "nats"


class Bus:
    """nats-server on a free port, provisioned; ``connect("filter")`` speaks as that service.

    Args:
        folder: an empty folder for configuration, store, seeds and log.
        clients: names of direct clients, an account each; ``connect`` knows them too.
        hub: whether the servers of edge sites may join, at ``leaf_port``.
        wrapper: a command that becomes the server, or watches it, before the server's own.
        certificates: nats-server then speaks TLS alone, and asks everybody for a certificate.
    """

    def __init__(
        self,
        folder: Path,
        *,
        clients: tuple[str, ...] = ("alice",),
        hub: bool = False,
        wrapper: tuple[str, ...] = (),
        certificates: Certificates | None = None,
    ) -> None:
        self.folder = folder
        self._wrapper = wrapper
        self.seeds = folder / "credentials"
        self.port = free_port()
        self.monitor_port = free_port()
        self.leaf_port = free_port()
        self.url = f"nats://127.0.0.1:{self.port}"
        self._clients = clients
        self._hub = hub
        self._certificates = certificates
        self._connections: list[Client] = []
        self._process: Process | None = None

    async def start(self) -> Self:
        """Start the server (again: on its old store and ports) and make its streams."""
        keys = credentials.ensure(self.seeds)
        accounts = credentials.ensure(self.seeds, self._clients)
        tls = nats_tls.of_server(self._certificates.settings) if self._certificates else None
        configuration = nats_config.write(CONFIGURATION, self.folder / "nats", keys, accounts, tls)
        self._process = Process(
            *self._wrapper,
            BIN / "nats-server",
            "-c",
            configuration.with_name("hub.conf") if self._hub else configuration,
            log=self.folder / "nats.log",
            env={
                "STILE_NATS_LISTEN": f"127.0.0.1:{self.port}",
                "STILE_NATS_MONITOR": f"127.0.0.1:{self.monitor_port}",
                "STILE_NATS_STORE": quoted(str(self.folder / "store")),
                "STILE_NATS_LEAF_LISTEN": f"127.0.0.1:{self.leaf_port}",
            },
        )
        await until(self._answers, what="nats-server answers")
        provisioner = await self.connect("provisioner")
        await provision.apply(
            provisioner, provision.read_plan(CONFIGURATION / "streams.json"), lambda _: None
        )
        await provisioner.close()
        return self

    async def connect(self, user: str, **options: Any) -> Client:
        """Connect as ``user``: provisioner, gateway, filter, consumer, or a direct client."""
        prefix = b"_INBOX" if user in self._clients else f"_INBOX_{user}".encode()
        client = await nats.connect(
            self.url,
            nkeys_seed=str(credentials.seed_file(self.seeds, user)),
            inbox_prefix=prefix,
            **(self._certificates.connection if self._certificates else {}),
            **options,
        )
        self._connections.append(client)
        return client

    def environment(self, user: str) -> dict[str, str]:
        """Return the variables that a service needs to connect as ``user``."""
        return {
            "STILE_NATS_URL": self.url,
            "STILE_NATS_NKEY_FILE": str(credentials.seed_file(self.seeds, user)),
            **(self._certificates.client if self._certificates else {}),
        }

    @property
    def pid(self) -> int:
        """The server's process id; start it first."""
        if self._process is None:
            raise RuntimeError("start the bus first")
        return self._process.pid

    def kill(self) -> None:
        """End the server at once; ``start`` brings it back with what it had stored."""
        if self._process:
            self._process.kill()

    async def restart(self) -> None:
        """End the server as an operator does, and bring it back with what it had stored."""
        if self._process:
            await asyncio.to_thread(self._process.stop)
        await self.start()

    async def stop(self) -> None:
        """Close the connections and end the server."""
        for client in self._connections:
            await client.close()
        if self._process:
            await asyncio.to_thread(self._process.stop)

    async def _answers(self) -> bool:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", self.port)
        except OSError:
            return False
        writer.close()
        return True
