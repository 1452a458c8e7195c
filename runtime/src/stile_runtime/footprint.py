"""What keeps a service small: packages that it does not import, and memory that it gives back."""

import ctypes
import gc
import sys
from collections.abc import Callable
from functools import cache

_UNUSED = ("greenlet", "rich", "watchfiles")
"""What libraries import only because it is installed, as in one environment with all of Stile. For coloured
tracebacks structlog imports rich, attrs and Pygments: 6 MB and a tenth of a second."""


def leave_out_unused(*packages: str) -> None:
    """Make later imports of ``packages``, and of what no service uses, fail as if it were not installed.

    ``None`` in ``sys.modules`` has this meaning (Python's import system, "The module cache").

    Args:
        packages: what this service does not use, besides what none uses.
    """
    for name in (*_UNUSED, *packages):
        sys.modules.setdefault(name, None)  # type: ignore[arg-type]  # typeshed knows modules only


def settle() -> None:
    """Free what is no longer used, and have later collections leave out what is used now.

    A start leaves 2 to 4 MB of free pages, which glibc keeps unless it is asked for them.
    """
    gc.unfreeze()
    gc.collect()
    gc.freeze()
    _trim()(0)


@cache
def _trim() -> Callable[[int], int]:
    """Return glibc's malloc_trim(3); elsewhere a function that does nothing."""
    if sys.platform == "linux":
        trim: Callable[[int], int] | None = getattr(ctypes.CDLL(None), "malloc_trim", None)
        if trim is not None:  # musl has none
            return trim
    return lambda _pad: 0
