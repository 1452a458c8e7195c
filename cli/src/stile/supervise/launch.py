"""What `stile up` does: checks what can be checked, starts every part, and says how to ask."""

import asyncio
import os
import shlex
import sys
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from pathlib import Path

import psutil

from stile.home import LOCAL_CLIENT, Home, Root
from stile.keys import api_keys, credentials, signing
from stile.models import memory
from stile.models.catalogue import Catalogue, Model
from stile.models.library import Library, Weights
from stile.nats import clients, config, connection, provision, tls
from stile.services import console, guard, policy
from stile.settings import EMBEDDED_MODEL, Settings
from stile.supervise import lock, parts, ports, systemd
from stile.supervise.supervisor import Supervisor
from stile.supervise.terminal import Terminal
from stile_runtime.installation import files
from stile_runtime.variables import SettingsError


def launch(
    settings: Settings, root: Root, home: Home, terminal: Terminal, *, is_detached: bool = False
) -> None:
    """Start everything and keep it until SIGINT or SIGTERM.

    Args:
        settings: the variables.
        root: Stile's own files.
        home: the installation.
        terminal: what people see.
        is_detached: it runs in the background, so Ctrl-C does not reach it.

    Raises:
        StileError, SettingsError: something can't be used or started; nothing is left running.
    """
    refusal = SettingsError(
        f"Stile runs already in {home.folder}: `stile down` stops it; "
        "a second one needs another STILE_HOME and other ports"
    )
    with lock.held(home, refusal):
        plan = _plan(settings, root, home, terminal)
        by_name = {part.name: part for part in plan}
        supervisor = Supervisor(plan, home.logs, home.state, terminal, restarts=home.restarts)
        asyncio.run(
            supervisor.run(lambda: _announce(settings, home, terminal, by_name, is_detached=is_detached))
        )


def _plan(settings: Settings, root: Root, home: Home, terminal: Terminal) -> list[parts.Part]:
    """Check what can be checked before anything is started; return what to start."""
    weights = _weights(settings, root, terminal)
    addresses = parts.check_ports(settings)
    if settings.llama_url is None and settings.llama_port is None and addresses.llama != parts.LLAMA_PORT:
        by = ports.holder(parts.LLAMA_PORT) or "another program"
        terminal.say(f"llama.cpp listens on port {addresses.llama}: {by} has {parts.LLAMA_PORT}")
    checked = policy.check(settings, home)
    terminal.say(f"policy: {checked}")
    keys = credentials.ensure(home.credentials)
    signing.ensure(home.credentials)
    if not credentials.seed_file(home.clients, LOCAL_CLIENT).exists():
        clients.make(home, LOCAL_CLIENT)
    configuration = config.write(
        root.nats, home.nats, keys, clients.registered(home), tls.of_server(settings)
    )
    home.store.mkdir(parents=True, exist_ok=True)
    key = _llama_key(settings, home)
    server = parts.nats(settings, home, addresses, configuration)
    return [
        replace(server, once_ready=_provisioning(settings, root, home, terminal)),
        parts.llama(settings, addresses, weights, key, prompt_cache_mib(settings, weights, terminal)),
        parts.filter_service(settings, home, addresses, policy.environment(settings, home)),
        parts.rust_consumer(settings, home, addresses, key),
        parts.gateway(settings, home),
        *(
            [parts.console(settings, home, addresses, policy.for_console(settings, home, checked))]
            if settings.console == "on"
            else []
        ),
    ]


def _llama_key(settings: Settings, home: Home) -> Path | None:
    """Return the file of llama.cpp's key; a server that is started here gets a new key each time."""
    if settings.llama_key_file is not None:
        return settings.llama_key_file.absolute()
    key = credentials.llama_key_file(home.credentials)
    key.unlink(missing_ok=True)
    if settings.llama_url is None:
        return credentials.ensure_llama_key(home.credentials)
    if settings.llama_key is None:
        return None
    files.replace(key, settings.llama_key.get_secret_value())
    return key


def _weights(settings: Settings, root: Root, terminal: Terminal) -> Weights | None:
    if settings.llama_url is not None:
        return None
    catalogue = Catalogue(root)
    if settings.model == EMBEDDED_MODEL:
        _download_if_absent(catalogue, catalogue.find(EMBEDDED_MODEL), terminal)
    weights = Library(catalogue).weights(settings.model, settings.model_name)
    if weights.size > psutil.virtual_memory().available:
        terminal.say(
            f"The model {weights.name} is {weights.size / 1e9:.1f} GB, and less memory than that is free: "
            "it may be slow, or be stopped by the system."
        )
    return weights


def _download_if_absent(catalogue: Catalogue, model: Model, terminal: Terminal) -> None:
    """Fetch the default model, which a checkout's environment has, and a wheel has not."""
    if catalogue.is_here(model):
        return
    from stile.models import download  # noqa: PLC0415 -- it takes a second to import, once

    with terminal.waiting(
        f"The model {model.name} is downloaded, the first time only: {model.size / 1e6:.0f} MB ..."
    ):
        download.pull(catalogue, model, terminal.say)


def prompt_cache_mib(settings: Settings, weights: Weights | None, terminal: Terminal) -> int:
    """Return the MiB of llama.cpp's prompt cache, and say what it holds."""
    if weights is None:
        return 0
    needed = memory.needed(weights.size, weights.kv_bytes, settings.context)
    size = memory.cache_mib(memory.free(), needed) if settings.prompt_cache is None else settings.prompt_cache
    kept = (
        f", about {(size << 20) // (weights.kv_bytes * 1000)} conversations of 1,000 tokens"
        if weights.kv_bytes
        else ""
    )
    terminal.say(f"prompt cache: {size} MiB{kept}")
    return size


def _provisioning(
    settings: Settings, root: Root, home: Home, terminal: Terminal
) -> Callable[[], Awaitable[None]]:
    async def provision_streams() -> None:
        seed = credentials.seed_file(home.credentials, connection.PROVISIONER)
        plan = provision.read_plan(root.streams)
        async with connection.connect(settings.login(seed, connection.PROVISIONER_INBOX)) as client:
            await provision.apply(client, plan, lambda step: terminal.say(f"streams: {step}"))

    return provision_streams


def _announce(
    settings: Settings,
    home: Home,
    terminal: Terminal,
    plan: Mapping[str, parts.Part],
    *,
    is_detached: bool,
) -> None:
    layers = guard.layers(plan["filter-service"].ready_url) or ["the filter is not ready"]
    is_key_asked_for = settings.is_key_asked_for(home.api_keys)
    key = "-H 'Authorization: Bearer YOUR_KEY' " if is_key_asked_for else ""
    seed = credentials.seed_file(home.clients, LOCAL_CLIENT)
    request = clients.request_line(f"-s {settings.nats_url} --nkey {shlex.quote(str(seed))}")
    terminal.say(f"""
Stile is up. Open this page:
  {settings.public_url or settings.url}

Ask with this line:
  curl {settings.url}/chat {key}-H 'Content-Type: application/json' -d '{{"prompt": "Why is the sky blue?"}}'

Ask over NATS (the second line needs the program nats: https://github.com/nats-io/natscli):
  stile chat --nats "Why is the sky blue?"
  {request}
{_console(settings, home, plan.get("console"))}
Who may ask: {_who_may_ask(settings, home, is_key_asked_for=is_key_asked_for)}.

The guard, layer by layer:
{chr(10).join(f"  {line}" for line in layers)}

{"`stile down`" if is_detached else "Ctrl-C"} stops everything.
""")
    if settings.is_shared and not is_key_asked_for:
        terminal.warn(
            "No API key is asked for: everybody who reaches this machine over the network can use it. "
            "`stile keys add NAME` makes a key, and from then on one is asked for."
        )


def _who_may_ask(settings: Settings, home: Home, *, is_key_asked_for: bool) -> str:
    if not is_key_asked_for:
        return "anyone on the network" if settings.is_shared else "anyone on this machine"
    file = settings.api_keys if isinstance(settings.api_keys, Path) else home.api_keys
    count = len(api_keys.read(file).keys)
    where = "on the network" if settings.is_shared else "on this machine"
    return f"{count} key{'' if count == 1 else 's'}, {where}"


def _console(settings: Settings, home: Home, part: parts.Part | None) -> str:
    if part is None:
        return ""
    if systemd.is_journal(sys.stdout.fileno(), os.environ):  # others may read it, too
        return "\nThe console, for the owner: `stile console` prints a link.\n"
    link = console.link(settings.console_host, part.port or 0, home.console_tokens)
    return f"""
The console, for the owner (the link works once; `stile console` prints a new one):
  {link}
"""
