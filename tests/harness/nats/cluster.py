"""Three real nats-servers in a cluster, with the project's own configuration and R3 streams."""

import asyncio
from pathlib import Path
from typing import Any, Self

import httpx
import nats
from nats.aio.client import Client

from harness.nats.bus import CONFIGURATION
from harness.nats.certificates import Certificates
from harness.processes import plain_http
from harness.processes.ports import free_port
from harness.processes.process import BIN, Process
from harness.processes.wait import until
from stile.keys import credentials
from stile.nats import config as nats_config
from stile.nats import provision
from stile.nats import tls as nats_tls
from stile.nats.values import quoted

ELECTION_SECONDS = 90.0
"""For a leader to be there: nats-server elects within 4 to 9 s, and a busy machine takes longer."""


class Node:
    """One server; ``start`` brings it back after ``kill`` with what it had stored."""

    def __init__(self, folder: Path, name: str) -> None:
        self.name = name
        self.port = free_port()
        self.route_port = free_port()
        self.monitor_port = free_port()
        self.url = f"nats://127.0.0.1:{self.port}"
        self._folder = folder
        self.process: Process | None = None

    def start(self, configuration: Path) -> None:
        """Start it; it looks for the others by itself."""
        self.process = Process(
            BIN / "nats-server",
            "-c",
            configuration,
            log=self._folder / f"{self.name}.log",
            env={
                "STILE_NATS_NAME": self.name,
                "STILE_NATS_LISTEN": f"127.0.0.1:{self.port}",
                "STILE_NATS_CLUSTER_LISTEN": f"127.0.0.1:{self.route_port}",
                "STILE_NATS_MONITOR": f"127.0.0.1:{self.monitor_port}",
                "STILE_NATS_STORE": quoted(str(self._folder / f"store-{self.name}")),
            },
        )

    @property
    def runs(self) -> bool:
        """Whether its process is there."""
        return self.process is not None and self.process.exit_code is None

    async def monitor(self, path: str) -> Any:
        """Ask its monitoring; None where it does not answer."""
        async with plain_http.client() as client:
            try:
                return (await client.get(f"http://127.0.0.1:{self.monitor_port}/{path}")).json()
            except (httpx.TransportError, ValueError):
                return None


class Cluster:
    """Three servers, provisioned; to the services it is what a ``Bus`` is.

    Args:
        folder: an empty folder for configuration, stores, seeds and logs.
        clients: names of direct clients, an account each.
        certificates: the servers then speak TLS alone, also with each other, and ask for certificates.
    """

    def __init__(
        self,
        folder: Path,
        *,
        clients: tuple[str, ...] = ("alice",),
        certificates: Certificates | None = None,
    ) -> None:
        self.folder = folder
        self._certificates = certificates
        self.seeds = folder / "credentials"
        self.nodes = {name: Node(folder, name) for name in ("n1", "n2", "n3")}
        self.url = ",".join(node.url for node in self.nodes.values())
        self._clients = clients
        self.plan = CONFIGURATION / "streams.json"
        self._connections: list[Client] = []

    async def start(self) -> Self:
        """Start the three, wait until they are one, and make the streams."""
        keys = credentials.ensure(self.seeds)
        accounts = credentials.ensure(self.seeds, self._clients)
        tls = nats_tls.of_server(self._certificates.settings) if self._certificates else None
        nats_config.write(CONFIGURATION, self.folder / "nats", keys, accounts, tls)
        routes = [f"127.0.0.1:{node.route_port}" for node in self.nodes.values()]
        self._configuration = nats_config.write_routes(
            self.folder / "nats", routes, credentials.route_password(self.seeds)
        )
        for node in self.nodes.values():
            node.start(self._configuration)
        await self.healthy()
        provisioner = await self.connect("provisioner")
        plan = provision.read_plan(self.plan, replicas=3)
        await provision.apply(provisioner, plan, lambda _: None)
        await self.healthy()
        return self

    async def connect(self, user: str, *, node: str | None = None, **options: Any) -> Client:
        """Connect as ``user``, to any server or to the one named."""
        prefix = b"_INBOX" if user in self._clients else f"_INBOX_{user}".encode()
        client = await nats.connect(
            self.nodes[node].url if node else self.url.split(","),
            nkeys_seed=str(credentials.seed_file(self.seeds, user)),
            inbox_prefix=prefix,
            max_reconnect_attempts=-1,
            reconnect_time_wait=0.2,
            **(self._certificates.connection if self._certificates else {}),
            **options,
        )
        self._connections.append(client)
        return client

    def environment(self, user: str) -> dict[str, str]:
        """Return the variables that a service needs to connect as ``user``, to any of the three."""
        return {
            "STILE_NATS_URL": self.url,
            "STILE_NATS_NKEY_FILE": str(credentials.seed_file(self.seeds, user)),
            **(self._certificates.client if self._certificates else {}),
        }

    async def meta_leader(self) -> Node:
        """Wait for the leader of the cluster itself, which places streams and consumers."""

        async def leader() -> Node | None:
            # A server that was cut off may hold an old opinion, so most of those that run must share it.
            opinions = [await node.monitor("jsz") for node in self.nodes.values() if node.runs]
            names = [(said or {}).get("meta_cluster", {}).get("leader") for said in opinions]
            for name in set(names) - {None, ""}:
                if names.count(name) >= 2 and self.nodes[name].runs:
                    return self.nodes[name]
            return None

        return await until(leader, within=ELECTION_SECONDS, what="the cluster has a leader")

    async def stream_leader(self, stream: str) -> Node:
        """Wait for the leader of ``stream``, which takes what is published."""

        async def leader() -> Node | None:
            for node in self.nodes.values():
                details = await node.monitor("jsz?accounts=true&streams=true") if node.runs else None
                for account in (details or {}).get("account_details", []):
                    for detail in account.get("stream_detail", []):
                        name = detail.get("cluster", {}).get("leader")
                        if detail["name"] == stream and name == node.name:
                            return node
            return None

        return await until(leader, within=ELECTION_SECONDS, what=f"{stream} has a leader")

    async def restart(self, node: Node) -> None:
        """Bring a server back, and wait until it has caught up."""
        node.start(self._configuration)
        await self.healthy()

    async def healthy(self) -> None:
        """Wait until every server that runs says that it has all it should have."""

        async def all_ok() -> bool:
            said = [await node.monitor("healthz") for node in self.nodes.values() if node.runs]
            return all((answer or {}).get("status") == "ok" for answer in said)

        await until(all_ok, within=ELECTION_SECONDS, what="the servers are healthy")
        await self.meta_leader()

    async def stop(self) -> None:
        """Close the connections and end the servers."""
        for client in self._connections:
            await client.close()
        for node in self.nodes.values():
            if node.process:
                await asyncio.to_thread(node.process.stop)
