"""Packages that libraries import only because they are installed; a service has no use for them.

One environment often holds them all, as under `stile up`. structlog then imports rich, attrs and Pygments for
coloured tracebacks, FastStream uvicorn: 6 to 12 MB and a fifth of a second for each process.
"""

import sys

_UNUSED = ("greenlet", "rich", "watchfiles")


def leave_out_unused(*packages: str) -> None:
    """Make every later import of ``packages`` and of what no service uses fail, as if it were not installed.

    ``None`` in ``sys.modules`` has this meaning (Python's import system, "The module cache").

    Args:
        packages: what this service does not use, besides what none uses.
    """
    for name in (*_UNUSED, *packages):
        sys.modules.setdefault(name, None)  # type: ignore[arg-type]  # typeshed knows modules only
