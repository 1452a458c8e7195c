"""Where the policy in use comes from."""

from pathlib import Path


class PolicySource:
    """The policy's file: the owner's as soon as it is there, and from then on, whatever becomes of it.

    Args:
        otherwise: the file until then.
        own: the owner's, which may come at any time.
    """

    def __init__(self, otherwise: Path, own: Path | None) -> None:
        self._path = otherwise
        self._own = own

    def find(self) -> Path:
        """Return the file to read now."""
        if self._own is not None and self._own.exists():
            self._path = self._own
        return self._path
