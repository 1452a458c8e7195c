"""The whole system in containers, started by testcontainers from the project's own images."""

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self
from uuid import uuid4

import docker
import httpx
from testcontainers.core.container import DockerContainer
from testcontainers.core.network import Network

from e2e.engine import small_model
from harness.processes.wait import until

NATS = "nats:2-alpine"
LLAMA = "ghcr.io/ggml-org/llama.cpp:server"
CLI = "stile-cli:0.1.0"
SERVICES = {
    "filter": "stile-filter:0.1.0",
    "consumer": "stile-consumer:0.1.0",
    "gateway": "stile-gateway:0.1.0",
}
HOME = "/var/lib/stile"
"""Where the command line's image keeps its state: a volume that this system shares out as a whole."""
LLAMA_PORT = 11434
HARDENED: dict[str, Any] = {
    "user": "10001:10001",
    "read_only": True,
    "cap_drop": ["ALL"],
    "security_opt": ["no-new-privileges"],
}


@dataclass(frozen=True)
class Load:
    """What llama.cpp's own `/metrics` says at one moment."""

    processing: int
    """Requests that a slot works on."""
    deferred: int
    """Requests that wait within llama.cpp for a slot."""
    predicted: int
    """Tokens written since it started."""


class Containers:
    """nats, llama.cpp with the small model, filter, consumer and gateway on one network.

    Args:
        folder: an empty folder for the direct client's seed.
        client: the name of the one direct client.
    """

    def __init__(self, folder: Path, client: str = "alice") -> None:
        self.client = client
        self.seed = folder / f"{client}.nk"
        self.parts: dict[str, DockerContainer] = {}
        self._network = Network()
        self._docker = docker.from_env()
        self._state = f"stile-e2e-{uuid4().hex[:8]}"

    def start(self) -> Self:
        """Start every part and wait until the gateway says that all are ready."""
        self._network.create()
        self._docker.volumes.create(self._state)
        self._make_credentials()
        self._start_nats()
        self._once("stile", "provision")
        self._start_llama()
        for part in SERVICES:
            self._start_service(part)
        asyncio.run(until(self.is_ready, within=180, what="the gateway says that every part is ready"))
        return self

    def stop(self) -> None:
        """Remove every container, the network and the volume."""
        for container in reversed(self.parts.values()):
            container.stop()
        self._network.remove()
        self._docker.volumes.get(self._state).remove(force=True)
        self._docker.close()

    @property
    def url(self) -> str:
        """Where the gateway is."""
        return f"http://{self.address('gateway', 8000)}"

    def address(self, part: str, port: int) -> str:
        """Say where this machine reaches a part's port."""
        container = self.parts[part]
        return f"{container.get_container_host_ip()}:{container.get_exposed_port(port)}"

    def kill(self, part: str) -> None:
        """End a part as `kill -9` does."""
        self.parts[part].get_wrapped_container().kill("SIGKILL")

    def start_again(self, part: str) -> None:
        """Start a part that was killed."""
        self.parts[part].get_wrapped_container().start()

    def logs(self) -> str:
        """Return the last lines of every part."""
        texts = {
            part: container.get_wrapped_container().logs(tail=40) for part, container in self.parts.items()
        }
        return "\n".join(f"--- {part}\n{text.decode(errors='replace')}" for part, text in texts.items())

    async def load(self, client: httpx.AsyncClient) -> Load:
        """Ask llama.cpp what it does just now."""
        reply = await client.get(f"http://{self.address('llama', LLAMA_PORT)}/metrics")
        lines = (line.split() for line in reply.text.splitlines() if line.startswith("llamacpp:"))
        counts = {name.removeprefix("llamacpp:"): float(value) for name, value in lines}
        return Load(
            processing=int(counts["requests_processing"]),
            deferred=int(counts["requests_deferred"]),
            predicted=int(counts["tokens_predicted_total"]),
        )

    async def is_ready(self) -> bool:
        """Tell whether the gateway says that every part is ready."""
        async with httpx.AsyncClient() as client:
            try:
                return (await client.get(f"{self.url}/readyz")).status_code == 200
            except httpx.TransportError:
                return False

    def _make_credentials(self) -> None:
        self._once("stile", "credentials")
        self._once("stile", "clients", "add", self.client)
        self.seed.touch(mode=0o600)
        self.seed.write_text(self._once("cat", f"{HOME}/clients/{self.client}.nk"))

    def _start_nats(self) -> None:
        nats = self._container(NATS, "--config", f"{HOME}/nats/nats-server.conf")
        nats.with_env("STILE_NATS_LISTEN", "0.0.0.0:4222").with_env("STILE_NATS_MONITOR", "127.0.0.1:8222")
        nats.with_env("STILE_NATS_STORE", f"{HOME}/store")
        self._run("nats", nats, port=4222)

    def _start_llama(self) -> None:
        command = (
            f"--model /models/small.gguf --host 0.0.0.0 --port {LLAMA_PORT} --alias small --parallel 1"
            " --ctx-size 4096 --cache-ram 256 --metrics --slots"
        )
        llama = self._container(LLAMA, *command.split(), state=False)
        llama.with_volume_mapping(small_model(), "/models/small.gguf")
        self._run("llama", llama, port=LLAMA_PORT)

    def _start_service(self, part: str) -> None:
        service = self._container(SERVICES[part])
        service.with_env("STILE_NATS_URL", "nats://nats:4222")
        service.with_env("STILE_NATS_NKEY_FILE", f"{HOME}/credentials/{part}.nk")
        service.with_env("STILE_SIGNING_KEY", f"{HOME}/credentials/signing.key")
        service.with_env("STILE_APPROVAL_KEYS", f"{HOME}/credentials/approval.keys")
        service.with_env("STILE_LLAMA_URL", f"http://llama:{LLAMA_PORT}")
        self._run(part, service, port={"filter": 8081, "consumer": 8080, "gateway": 8000}[part])

    def _run(self, part: str, container: DockerContainer, *, port: int) -> None:
        self.parts[part] = container.with_network_aliases(part).with_exposed_ports(port)
        container.start()

    def _once(self, *command: str) -> str:
        """Run a command in the command line's image to its end; return what it printed."""
        container = self._container(CLI, *command[1:], entrypoint=command[0])
        container.with_env("STILE_NATS_URL", "nats://nats:4222")
        container.with_env("STILE_NATS_NKEY_FILE", f"{HOME}/credentials/provisioner.nk")
        with container:
            code = container.wait()
            out, err = (text.decode() for text in container.get_logs())
        assert code == 0, f"{' '.join(command)} exited {code}: {err}"
        return out

    def _container(self, image: str, *command: str, state: bool = True, **options: Any) -> DockerContainer:
        """Describe a container, hardened as in the compose file; ``state`` mounts the shared volume."""
        container = DockerContainer(image, network=self._network, **HARDENED, **options)
        if command:
            container.with_command(list(command))
        if state:
            container.with_volume_mapping(self._state, HOME, "rw")
        return container.with_tmpfs_mount("/tmp")  # noqa: S108 -- inside a container
