"""LLM-Guard's modules, each imported without the others.

The package's own ``__init__`` imports all scanners, and with them transformers, spaCy and presidio: several
seconds and more than 100 MB that a regular expression does not need. Here its packages are first entered as
empty ones, so that only the module that is asked for is imported, with its own imports.
"""

import importlib
import importlib.util
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import NoReturn

_NAME = next((name for name in ("gorget", "llm_guard") if importlib.util.find_spec(name)), "llm_guard")
"""gorget's own ``llm_guard`` names the same modules, but imports every one."""

_BARE = (_NAME, f"{_NAME}.input_scanners", "presidio_anonymizer", "presidio_anonymizer.core")
"""Packages whose ``__init__`` imports more than a scanner uses."""


def scanner(kind: str) -> type:
    """Return the input scanner's class.

    Raises:
        ValueError: LLM-Guard has none of this name.
        ImportError: LLM-Guard is not installed.
    """
    file = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", kind).lower()
    if kind != "Scanner" and re.fullmatch("[A-Z][A-Za-z]+", kind) and (_folder() / f"{file}.py").is_file():
        found = getattr(module(f"input_scanners.{file}"), kind, None)
        if isinstance(found, type):
            return found
    raise ValueError("LLM-Guard has no input scanner of this name")


def module(name: str) -> ModuleType:
    """Import LLM-Guard's module ``name``; what it logs goes nowhere, as it may hold a text."""
    import structlog  # noqa: PLC0415 -- 6 MB that Stile's own scanners do not need

    structlog.configure(processors=[_drop], cache_logger_on_first_use=False)
    full = f"{_NAME}.{name}"
    if "anonymize" in name:  # it uses presidio whole
        return importlib.import_module(full)
    with _bare_packages():
        return importlib.import_module(full)


def _drop(*_: object) -> NoReturn:
    import structlog  # noqa: PLC0415 -- as above

    raise structlog.DropEvent


def _folder() -> Path:
    spec = importlib.util.find_spec(_NAME)
    if spec is None or not spec.submodule_search_locations:
        raise ImportError("LLM-Guard is not installed: install stile-filter[gorget]")
    return Path(spec.submodule_search_locations[0]) / "input_scanners"


@contextmanager
def _bare_packages() -> Iterator[None]:
    """Enter the packages as empty ones. Afterwards they are gone, so that a later import can be whole."""
    entered = [name for name in _BARE if name not in sys.modules and _enter(name)]
    try:
        yield
    finally:
        for name in entered:
            sys.modules.pop(name, None)


def _enter(name: str) -> bool:
    parent, _, own = name.rpartition(".")
    if parent:
        folders = [str(Path(folder) / own) for folder in sys.modules[parent].__path__]
    else:
        spec = importlib.util.find_spec(name)
        folders = list(spec.submodule_search_locations or []) if spec else []
    if not folders:
        return False
    package = ModuleType(name)
    package.__path__ = folders
    sys.modules[name] = package
    return True
