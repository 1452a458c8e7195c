"""The state of each part: from heartbeats, from the file of `stile up`, and from the gateway's answer."""

import asyncio
import http.client
import json
import shutil
import urllib.error
import urllib.request
from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

import psutil
from pydantic import BaseModel

from stile_console.bus import NatsBus
from stile_console.health import last_error
from stile_console.settings import Settings
from stile_contracts.messages import Heartbeat
from stile_runtime.fleet import Fleet
from stile_runtime.installation import state
from stile_runtime.installation.state import PartState, PartStatus

ASK_SECONDS = 3.0
"""The gateway must say in this time whether it is ready."""

_PROGRAMS = {"filter": "filter-service", "consumer": "rust-consumer"}
"""A part of the heartbeats, by the name that `stile up` gives its process."""


class PartHealth(BaseModel):
    """One part, or one process of it."""

    name: str
    ready: bool | None
    """None: it is not known here."""
    reason: str | None = None
    """Why it is not ready, or what should be looked at."""
    version: str | None = None
    model: str | None = None
    """Of a worker."""
    tokens_per_second: float | None = None
    """Of a worker: how fast its model writes."""
    policy: str | None = None
    """Of a filter: the version of the policy in use."""
    memory_bytes: int | None = None
    """With all its child processes; None if this console does not run beside it."""
    restarts: int | None = None
    last_error: str | None = None
    """From its log; empty if there is none, absent if its log is not here."""


class Disk(BaseModel):
    """The file system that holds the installation's folder."""

    total_bytes: int
    free_bytes: int


class Health(BaseModel):
    """Everything."""

    ready: bool
    """Whether a question would be answered now, as the gateway says."""
    parts: list[PartHealth]
    disk: Disk | None


async def health(settings: Settings, bus: NatsBus, fleet: Fleet) -> Health:
    """Look at all parts."""
    processes, said = await asyncio.gather(
        asyncio.to_thread(_processes, settings.home), asyncio.to_thread(_ask, settings.gateway_url)
    )
    parts = [
        _plain("nats", ready=bus.connected, reason=None if bus.connected else "not connected"),
        *([_plain("llama", ready=None)] if "llama" in processes else []),
        *_fleet("filter", fleet.alive("filter")),
        *_fleet("consumer", fleet.alive("consumer")),
        _gateway(said),
        _plain("console", ready=True).model_copy(update={"version": version("stile-console")}),
    ]
    described = await asyncio.to_thread(_with_processes, parts, processes, settings.home)
    return Health(
        ready=isinstance(said, dict) and said.get("ready") is True, parts=described, disk=_disk(settings.home)
    )


def _plain(name: str, *, ready: bool | None, reason: str | None = None) -> PartHealth:
    return PartHealth(name=name, ready=ready, reason=reason)


def _fleet(part: Literal["filter", "consumer"], alive: Iterable[Heartbeat]) -> list[PartHealth]:
    name = _PROGRAMS[part]
    found = [
        PartHealth(
            name=name,
            ready=beat.ready,
            reason=beat.reason or (_POLICY_REFUSED if beat.policy_refused else None),
            version=beat.version,
            model=beat.model,
            tokens_per_second=beat.predicted_per_second,
            policy=beat.policy,
        )
        for beat in alive
    ]
    return found or [_plain(name, ready=False, reason="not heard")]


_POLICY_REFUSED = "the policy's file is refused, and the policy before it is in use"


def _gateway(said: dict[str, Any] | str) -> PartHealth:
    match said:
        case {"parts": {"gateway": {"ready": bool(ready), "reason": str(reason)}}}:
            return _plain("gateway", ready=ready, reason=reason)
        case {"parts": {"gateway": {"ready": bool(ready)}}}:
            return _plain("gateway", ready=ready)
        case str(reason):
            return _plain("gateway", ready=False, reason=reason)
    return _plain("gateway", ready=False, reason="its answer does not say whether it is ready")


def _ask(url: str) -> dict[str, Any] | str:
    """Ask the gateway whether all is ready; return what it says, or why it says nothing."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(f"{url}/readyz", timeout=ASK_SECONDS) as answer:
            body = answer.read()
    except urllib.error.HTTPError as error:  # 503: it is not ready, and says why
        body = error.read()
    except http.client.HTTPException:
        return f"no gateway answers on {url}"
    except OSError:
        return f"nobody answers on {url}"
    try:
        said = json.loads(body)
    except ValueError:
        said = None
    return said if isinstance(said, dict) else f"no gateway answers on {url}"


def _processes(home: Path) -> dict[str, PartStatus]:
    running = state.read(home / state.FILE)
    return {part.name: part for part in running.parts} if running else {}


def _with_processes(
    parts: list[PartHealth], processes: dict[str, PartStatus], home: Path
) -> list[PartHealth]:
    described = []
    for part in parts:
        process = processes.get(part.name)
        added: dict[str, Any] = {"last_error": last_error.of(home / "logs" / f"{part.name}.log")}
        if process is not None:
            added |= {"restarts": process.restarts, "memory_bytes": _memory(process.pid)}
            if part.ready is None:
                added["ready"] = process.state in {PartState.RUNNING, PartState.EXTERNAL}
        described.append(part.model_copy(update=added))
    return described


def _memory(pid: int | None) -> int | None:
    if pid is None:
        return None
    try:
        process = psutil.Process(pid)
        return sum(one.memory_info().rss for one in (process, *process.children(recursive=True)))
    except psutil.Error:
        return None


def _disk(folder: Path) -> Disk | None:
    try:
        usage = shutil.disk_usage(folder)
    except OSError:
        return None
    return Disk(total_bytes=usage.total, free_bytes=usage.free)
