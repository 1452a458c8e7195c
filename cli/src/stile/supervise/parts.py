"""What each part is: its program, its environment, its port, and how it is known to be ready."""

import os
import shutil
import sys
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from stile.errors import PartError, PortError
from stile.home import Home
from stile.keys import credentials, signing
from stile.models.library import Weights
from stile.nats.values import quoted
from stile.settings import Settings, authority
from stile.supervise import ports
from stile.supervise.programs import program

LOOPBACK = "127.0.0.1"
CONSOLE_PORT = 8090
LLAMA_PORT = 11434
SIMILARITY = "0.9"
"""How much of a prompt the slot must hold for llama.cpp to go on with it without saving what is there.

Its own default is 0.1: then a conversation that begins with the same system prompt as another one is lost
(docs/adr/0054).
"""


async def _nothing() -> None:
    """Do nothing."""


@dataclass(frozen=True)
class Part:
    """One of the processes that make up Stile.

    Args:
        name: as `stile status` shows it.
        argv: the program's absolute path and its arguments; empty if it is not started here.
        env: what it needs beside this process's environment.
        port: what it listens on.
        ready_url: answers 200 as soon as the part can do its work.
        ready_within: seconds that its start may take, once those before it are ready.
        stop_within: seconds that it may take to finish what it holds.
        stuck_url: answers JSON with ``stuck: true`` if the part must be started again, though
            it lives.
        quotes_requests: what it writes once it is ready may hold text of a request.
        is_needed: everything stops if it can't be started or keeps dying.
        once_ready: done when it is ready for the first time; the first part's, before the others start.
    """

    name: str
    argv: tuple[str, ...]
    env: Mapping[str, str]
    port: int | None
    ready_url: str
    ready_within: float = 120.0
    stop_within: float = 15.0
    stuck_url: str | None = None
    quotes_requests: bool = False
    is_needed: bool = True
    once_ready: Callable[[], Awaitable[None]] = field(default=_nothing)

    @property
    def is_external(self) -> bool:
        """Whether it is used, but not started here."""
        return not self.argv


@dataclass(frozen=True)
class Addresses:
    """The ports that are chosen again if another program has them."""

    nats_monitor: int
    filter: int
    console: int
    llama: int


def check_ports(settings: Settings) -> Addresses:
    """Check that every part can have its port; choose those that are not set.

    Raises:
        PortError: a port is taken, by another program or by another part.
    """
    wanted = [
        ("nats", settings.nats_host, settings.nats_port, "STILE_NATS_PORT"),
        ("rust-consumer", LOOPBACK, settings.consumer_port, "STILE_CONSUMER_PORT"),
        ("gateway", settings.host, settings.port, "STILE_PORT"),
    ]
    if settings.llama_url is None and settings.llama_port is not None:
        wanted.insert(1, ("llama", LOOPBACK, settings.llama_port, "STILE_LLAMA_PORT"))
    if settings.nats_monitor_port is not None:
        wanted.append(("nats", LOOPBACK, settings.nats_monitor_port, "STILE_NATS_MONITOR_PORT"))
    if settings.filter_port is not None:
        wanted.append(("filter-service", LOOPBACK, settings.filter_port, "STILE_FILTER_PORT"))
    if settings.console == "on" and settings.console_port is not None:
        wanted.append(("console", settings.console_host, settings.console_port, "STILE_CONSOLE_PORT"))
    taken: dict[int, str] = {}
    for part, host, port, variable in wanted:
        if port in taken:
            raise PortError(f"{taken[port]} and {variable} are both {port}: set one to another port")
        ports.require_free(part, host, port, variable)
        taken[port] = variable
    monitor = settings.nats_monitor_port or ports.choose(8222, set(taken))
    filter_port = settings.filter_port or ports.choose(8081, {*taken, monitor})
    console = settings.console_port or ports.choose(CONSOLE_PORT, {*taken, monitor, filter_port})
    llama = settings.llama_port or ports.choose(LLAMA_PORT, {*taken, monitor, filter_port, console})
    return Addresses(monitor, filter_port, console, llama)


def nats(settings: Settings, home: Home, addresses: Addresses, configuration: Path) -> Part:
    """nats-server with the configuration in ``home``."""
    return Part(
        name="nats",
        argv=(program("nats-server"), "-c", str(configuration)),
        env={
            "STILE_NATS_LISTEN": quoted(f"{_bracketed(settings.nats_host)}:{settings.nats_port}"),
            "STILE_NATS_MONITOR": quoted(f"{LOOPBACK}:{addresses.nats_monitor}"),
            "STILE_NATS_STORE": quoted(str(home.store)),
        },
        port=settings.nats_port,
        ready_url=f"http://{LOOPBACK}:{addresses.nats_monitor}/healthz",
    )


def llama(
    settings: Settings, addresses: Addresses, weights: Weights | None, key: Path | None, cache_mib: int
) -> Part:
    """llama.cpp's HTTP server: one that runs already, a ``llama-server`` on PATH, else xllamacpp's.

    The consumer says when the one that is started here is stuck.

    Args:
        settings: the variables.
        addresses: the ports.
        weights: the model.
        key: the file with the key that it asks for.
        cache_mib: the size of its prompt cache.
    """
    if settings.llama_url is not None:
        return Part(name="llama", argv=(), env={}, port=None, ready_url=f"{settings.llama_url}/health")
    if weights is None or key is None:
        raise PartError("llama.cpp needs a model and a key: set STILE_MODEL")
    arguments = (
        *("--model", str(weights.path), "--alias", weights.name),
        *("--host", LOOPBACK, "--port", str(addresses.llama)),
        *("--parallel", "1", "--ctx-size", str(settings.context)),
        *("--threads", str(settings.threads or threads())),
        *("--slot-prompt-similarity", SIMILARITY),
        *("--api-key-file", str(key)),
    )
    on_path = shutil.which("llama-server")
    server = (on_path,) if on_path else (sys.executable, "-m", "stile.models.llama_server")
    return Part(
        name="llama",
        argv=(*server, *arguments),
        # As variables: a llama-server that is too old to know one ignores it, but an unknown flag
        # would stop it.
        env={
            "LLAMA_ARG_CACHE_RAM": str(cache_mib),
            "LLAMA_ARG_ENDPOINT_METRICS": "1",
            "LLAMA_ARG_ENDPOINT_SLOTS": "1",
        },
        port=addresses.llama,
        ready_url=f"http://{LOOPBACK}:{addresses.llama}/health",
        ready_within=600.0,
        stop_within=5.0,
        stuck_url=consumer_url(settings),
        quotes_requests=True,
    )


def threads() -> int:
    """Return how many threads the model gets: the physical cores, as far as this process may use them."""
    cores = psutil.cpu_count(logical=False) or psutil.cpu_count() or 1
    return max(min(cores, len(psutil.Process().cpu_affinity()) if psutil.LINUX else cores), 1)


def filter_service(settings: Settings, home: Home, addresses: Addresses, policy: Mapping[str, str]) -> Part:
    """The filter, with its health on a port of its own.

    Args:
        settings: the variables.
        home: the installation.
        addresses: the ports.
        policy: the variables that say which policy it has.
    """
    return Part(
        name="filter-service",
        argv=(program("stile-filter"),),
        env={
            **_bus(settings, home, "filter"),
            **policy,
            "STILE_HOME": str(home.folder),
            "STILE_SIGNING_KEY": str(signing.seed_file(home.credentials)),
            "STILE_FILTER_PORT": str(addresses.filter),
        },
        port=addresses.filter,
        ready_url=filter_url(addresses.filter),
    )


def rust_consumer(settings: Settings, home: Home, addresses: Addresses, key: Path | None) -> Part:
    """The worker of the llama.cpp that was started or named; it sends the key in the file ``key``."""
    grace = os.environ.get("STILE_SHUTDOWN_SECONDS", "20")
    return Part(
        name="rust-consumer",
        argv=(program("stile-consumer"),),
        env={
            **_bus(settings, home, "consumer"),
            "STILE_APPROVAL_KEYS": str(signing.public_file(home.credentials)),
            "STILE_CONSUMER_PORT": str(settings.consumer_port),
            "STILE_LLAMA_URL": settings.llama_url or f"http://{LOOPBACK}:{addresses.llama}",
            **({"STILE_LLAMA_KEY_FILE": str(key)} if key else {}),
        },
        port=settings.consumer_port,
        ready_url=consumer_url(settings),
        stop_within=(float(grace) if grace.isdecimal() else 20.0) + 5.0,
    )


def gateway(settings: Settings, home: Home) -> Part:
    """The gateway; it is ready when the whole is."""
    return Part(
        name="gateway",
        argv=(program("stile-gateway"),),
        env={
            **_bus(settings, home, "gateway"),
            "STILE_HOME": str(home.folder),
            "STILE_HOST": settings.host,
            "STILE_PORT": str(settings.port),
        },
        port=settings.port,
        ready_url=f"{settings.url}/readyz",
    )


def console(settings: Settings, home: Home, addresses: Addresses, policy: Mapping[str, str]) -> Part:
    """The console; the others do without it.

    Args:
        settings: the variables.
        home: the installation.
        addresses: the ports.
        policy: the variables that say which policy it shows and may write.
    """
    return Part(
        name="console",
        argv=(program("stile-console"),),
        env={
            **_bus(settings, home, "console"),
            **policy,
            "STILE_HOME": str(home.folder),
            "STILE_CONSOLE_HOST": settings.console_host,
            "STILE_CONSOLE_PORT": str(addresses.console),
            "STILE_GATEWAY_URL": settings.url,
            "STILE_PUBLIC_URL": settings.public_url or settings.url,
        },
        port=addresses.console,
        ready_url=f"http://{authority(settings.console_host, addresses.console)}/healthz",
        is_needed=False,
    )


def _bus(settings: Settings, home: Home, user: str) -> dict[str, str]:
    return {
        "STILE_NATS_URL": settings.nats_url,
        "STILE_NATS_NKEY_FILE": str(credentials.seed_file(home.credentials, user)),
    }


def filter_url(port: int) -> str:
    """Return the address where the filter says whether it is ready, and which of its layers are on."""
    return f"http://{_local(os.environ.get('STILE_FILTER_HOST'), port)}/readyz"


def consumer_url(settings: Settings) -> str:
    """Return the address where the worker says whether it is ready, and whether llama.cpp is stuck."""
    return f"http://{_local(os.environ.get('STILE_CONSUMER_HOST'), settings.consumer_port)}/readyz"


def _local(host: str | None, port: int) -> str:
    return authority(host or LOOPBACK, port)


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host
