"""Looks at one installation: keys, model, policy, who may ask, and the parts that run."""

import json
import os
from collections.abc import Iterator
from functools import partial

import psutil

from stile.diagnosis.findings import Check, Warned
from stile.errors import StileError
from stile.home import Home, Root
from stile.keys import credentials, signing
from stile.models.catalogue import Catalogue
from stile.models.library import Library
from stile.services import guard, http, policy
from stile.settings import Settings, authority
from stile.supervise import parts
from stile_runtime.installation.state import PartState, PartStatus, State
from stile_runtime.variables import unknown

_ASK_SECONDS = 5.0


def checks(settings: Settings, root: Root, home: Home, running: State | None) -> Iterator[Check]:
    """Yield the checks that can be made: fewer if nothing runs."""
    yield "variables", _variables
    yield "keys", lambda: _keys(home)
    yield "signing", lambda: _signing(home, running)
    if settings.llama_url is None:
        yield "model", lambda: _model(settings, root)
    yield "policy", lambda: _policy(settings, home, running)
    if running is None:
        yield (
            "who may ask",
            lambda: who_may_ask(
                is_shared=settings.is_shared, is_key_asked_for=settings.is_key_asked_for(home.api_keys)
            ),
        )
        yield "ports", lambda: _ports(settings)
    else:
        yield "who may ask", lambda: _who_may_ask(settings, running)
        for part in running.parts:
            yield part.name, partial(_part, part, home)
        yield "answers", lambda: _answers(settings)


def who_may_ask(*, is_shared: bool, is_key_asked_for: bool) -> str:
    """Check that nobody in the network can ask without a key."""
    if is_shared and not is_key_asked_for:
        raise Warned(
            "anyone on the network, without a key: `stile keys add NAME` makes one, "
            "and from then on it is asked for"
        )
    return "anyone with a key" if is_key_asked_for else "anyone on this machine"


def _who_may_ask(settings: Settings, running: State) -> str:
    """Look at the gateway that runs: its variables may not be those of this command."""
    gateway = next((part for part in running.parts if part.name == "gateway"), None)
    if gateway is None or gateway.pid is None:
        raise StileError("the gateway does not run")
    try:
        here = {
            connection.laddr.ip
            for connection in psutil.Process(gateway.pid).net_connections("tcp")
            if connection.status == psutil.CONN_LISTEN
        }
        address = authority(min(here, default=parts.LOOPBACK), gateway.port or settings.port)
        answer = http.get(f"http://{address}/queue", seconds=_ASK_SECONDS)
    except psutil.Error as error:
        raise StileError("the gateway has just ended") from error
    except http.Faults:
        answer = None
    is_shared = any(not (ip.startswith("127.") or ip == "::1") for ip in here)
    asked_for = settings.api_keys != "off" if answer is None else answer.status == 401
    return who_may_ask(is_shared=is_shared, is_key_asked_for=asked_for)


def _variables() -> str:
    if sentences := list(unknown(os.environ)):
        raise Warned("; ".join(sentences))
    return "all known"


def _keys(home: Home) -> str:
    there = [user for user in credentials.USERS if credentials.seed_file(home.credentials, user).exists()]
    if there:
        credentials.ensure(home.credentials, tuple(there))
    return f"{len(there)} of {len(credentials.USERS)} made, in {home.credentials}"


def _signing(home: Home, running: State | None) -> str:
    if running is None and not home.credentials.exists():
        return "no key yet; `stile up` makes it"
    return signing.check(home.credentials)


def _model(settings: Settings, root: Root) -> str:
    weights = Library(Catalogue(root)).weights(settings.model, settings.model_name)
    needed, free = weights.size, psutil.virtual_memory().available
    if needed > free:
        raise StileError(
            f"{weights.name} is {needed / 1e9:.1f} GB and {free / 1e9:.1f} GB of memory are free: "
            "choose a smaller one (`stile models list`)"
        )
    return f"{weights.path}, {needed / 1e9:.1f} GB; {free / 1e9:.1f} GB of memory are free"


def _policy(settings: Settings, home: Home, running: State | None) -> str:
    port = running.port("filter-service") if running else None
    if port is None:
        return str(policy.check(settings, home))
    if reason := guard.refused_policy(parts.filter_url(port)):
        raise StileError(reason)
    return "the file is in use"


def _ports(settings: Settings) -> str:
    parts.check_ports(settings)
    return "free"


def _answers(settings: Settings) -> str:
    url = parts.consumer_url(settings)
    try:
        body = json.loads(http.get(url, seconds=5.0).text)
        reason = body.get("reason")
    except (*http.Faults, ValueError, AttributeError) as error:
        raise StileError(f"the consumer does not say how it is, on {url}") from error
    if reason is not None:
        raise StileError(f"the consumer takes no request: {reason}")
    return "the consumer takes requests"


def _part(part: PartStatus, home: Home) -> str:
    if part.state not in (PartState.RUNNING, PartState.EXTERNAL):
        raise StileError(f"{part.state}, after {part.restarts} restarts: see {home.logs / part.name}.log")
    return f"{part.state}, {part.restarts} restarts"
