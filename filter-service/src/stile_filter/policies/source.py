"""Where the policy in use comes from."""

from pathlib import Path

from stile_filter.policies.guard import Guard


class PolicySource:
    """The policy's file: the owner's as soon as it is there.

    Once the owner's policy was in use, no other file is read, even if the owner's is gone.

    Args:
        otherwise: the file until then.
        own: the owner's, which may come at any time.
    """

    def __init__(self, otherwise: Path, own: Path | None) -> None:
        self._in_use = own if own is not None and own.exists() else otherwise
        self._own = own

    def find(self) -> Path:
        """Return the file to read now."""
        return self._own if self._own is not None and self._own.exists() else self._in_use

    def taken_up(self, guard: Guard) -> None:
        """Note that the file of this guard is in use."""
        self._in_use = guard.policy.file.path
