"""Looks at the machine: programs, libraries, versions, disk, clock."""

import json
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import psutil

from stile.diagnosis.findings import Check, Warned
from stile.errors import StileError
from stile.home import Home, Root
from stile.settings import Settings
from stile.supervise.programs import program

PROGRAMS = ("nats-server", "stile-filter", "stile-consumer", "stile-gateway", "stile-console")
PACKAGES = (
    "stile",
    "stile-cli",
    "stile-console",
    "stile-consumer",
    "stile-contracts",
    "stile-filter",
    "stile-gateway",
    "stile-runtime",
)
_LIBRARIES = {"libgomp.so.1": "libgomp1"}
"""Shared libraries that a small system may lack, and the packages of Debian that have them."""
_MISSING = re.compile(r"(lib[\w.+-]+\.so[\w.]*): cannot open shared object file")
_IMPORT_SECONDS = 60.0
_LEAST_FREE = 200_000_000
"""Bytes of disk; with less nats-server soon accepts nothing."""


def checks(settings: Settings, root: Root, home: Home) -> Iterator[Check]:
    """Yield the checks that can be made on any machine."""
    for name in PROGRAMS:
        yield name, partial(program, name)
    yield "versions", _versions
    if settings.llama_url is None and shutil.which("llama-server") is None:
        yield "llama.cpp", _llama
    yield "compiler", _compiler
    yield "disk", lambda: disk(root, home, psutil.disk_usage(str(_existing(home.folder))).free)
    yield "clock", lambda: clock(time.time(), is_synchronised=_is_synchronised())


def disk(root: Root, home: Home, free: int) -> str:
    """Check that the streams have room.

    Args:
        root: has the streams' description.
        home: the installation.
        free: bytes that are free where it is.
    """
    streams = sum(stream.get("max_bytes", 0) for stream in json.loads(root.streams.read_text())["streams"])
    said = f"{free / 1e9:.1f} GB are free in {home.folder}"
    if free < _LEAST_FREE:
        raise StileError(f"{said}: make room, then `stile restart nats`")
    if free < streams:
        raise Warned(f"{said}, and the queue and its results may take {streams / 1e9:.1f} GB")
    return said


def clock(now: float, *, is_synchronised: bool | None) -> str:
    """Check that the clock can be right.

    Args:
        now: seconds since the Unix epoch.
        is_synchronised: whether the system's time service has set the clock; None: no time service says.
    """
    installed = Path(__file__).stat().st_mtime
    if now < installed:
        raise StileError("the clock is before Stile's installation: set it (`timedatectl set-ntp true`)")
    if is_synchronised is False:
        raise Warned("the system's time service has not set the clock: `timedatectl set-ntp true`")
    return (
        "set by the system's time service" if is_synchronised else "no time service says whether it is right"
    )


def explain(output: str) -> str:
    """Return why a library could not be loaded, in words that help; ``output`` is Python's."""
    if found := _MISSING.search(output):
        package = _LIBRARIES.get(found[1])
        install = f"apt install {package}" if package else "install the package that has it"
        return f"the library {found[1]} is missing: {install}"
    return f"it cannot be loaded: {output.strip().splitlines()[-1] if output.strip() else 'no reason given'}"


def _versions() -> str:
    found = {}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            raise StileError(f"the package {package} is not installed: run `make install`") from None
    if len(set(found.values())) > 1:
        listed = ", ".join(f"{name} {number}" for name, number in found.items())
        raise StileError(f"packages of different versions: {listed}; run `make install`")
    nats = subprocess.run([program("nats-server"), "--version"], check=False, capture_output=True, text=True)
    python = ".".join(map(str, sys.version_info[:3]))
    return f"stile {found['stile']}, {nats.stdout.strip()}, Python {python}"


def _llama() -> str:
    """Load the library in another process: it is large, and may end that process."""
    try:
        loaded = subprocess.run(
            [sys.executable, "-c", "import xllamacpp"],
            check=False,
            capture_output=True,
            text=True,
            timeout=_IMPORT_SECONDS,
        )
    except subprocess.TimeoutExpired as error:
        raise StileError(f"it is not loaded after {_IMPORT_SECONDS:g} s: is the machine busy?") from error
    if loaded.returncode:
        raise StileError(explain(loaded.stderr))
    return f"xllamacpp {version('xllamacpp')}"


def _compiler() -> str:
    if found := shutil.which("cargo"):
        return found
    # Not wrong by itself: the consumer may be built already, and maturin can bring a Rust of its own.
    return "no cargo on PATH; to build the consumer anew, install Rust (https://rustup.rs)"


def _is_synchronised() -> bool | None:
    if (timedatectl := shutil.which("timedatectl")) is None:
        return None
    shown = subprocess.run(
        [timedatectl, "show", "--property=NTPSynchronized", "--value"],
        check=False,
        capture_output=True,
        text=True,
    )
    return {"yes": True, "no": False}.get(shown.stdout.strip())


def _existing(folder: Path) -> Path:
    return next(path for path in (folder, *folder.parents) if path.exists())
