"""The policy's file: read, and replaced whole."""

import hashlib
import stat
from pathlib import Path

from pydantic import BaseModel

from stile_console.errors import ConflictError, FileError
from stile_runtime.installation import files


class PolicyText(BaseModel):
    """The policy's file as it is now."""

    text: str
    digest: str
    """Of the text; a change says which text it was made from."""
    file: str
    is_shipped: bool
    """Whether it is the one that comes with Stile; a change makes a copy."""
    may_change: bool


class PolicyFile:
    """The file in use.

    Args:
        policy: in use as long as there is no ``target``.
        target: where a change is written; None: nothing may be changed.
    """

    def __init__(self, policy: Path, target: Path | None) -> None:
        self._policy = policy
        self._target = target

    @property
    def path(self) -> Path:
        """The file in use."""
        return self._target if self._target is not None and self._target.exists() else self._policy

    def read(self) -> PolicyText:
        """Read it.

        Raises:
            FileError: it can't be read.
        """
        path = self.path
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise FileError(f"The policy {path} can't be read: {_why(error)}") from error
        return PolicyText(
            text=text,
            digest=_digest(text),
            file=str(path),
            is_shipped=self._target is not None and path != self._target,
            may_change=self._target is not None,
        )

    def replace(self, text: str, base: str) -> "Undo":
        """Write ``text``; return what takes that back.

        Args:
            text: the new policy.
            base: the digest of the text that it was made from.

        Raises:
            ConflictError: the file has changed since, or may not be changed here.
            FileError: it can't be read or written.
        """
        if self._target is None:
            raise ConflictError(
                "STILE_POLICY names a policy that comes with Stile: start without it to have one of your own."
            )
        if self.read().digest != base:
            raise ConflictError("The policy has changed in the meantime: load it again.")
        undo = Undo(self._target, self._target.read_bytes() if self._target.exists() else None)
        _write(self._target, text.encode())
        return undo


class Undo:
    """Puts back what was there before."""

    def __init__(self, path: Path, before: bytes | None) -> None:
        self._path = path
        self._before = before

    def __call__(self) -> None:
        """Put it back.

        Raises:
            FileError: the file can't be written.
        """
        if self._before is not None:
            _write(self._path, self._before)
            return
        try:
            self._path.unlink(missing_ok=True)
        except OSError as error:
            raise FileError(f"The policy {self._path} can't be removed: {_why(error)}") from error


def _write(path: Path, content: bytes) -> None:
    try:
        mode = stat.S_IMODE(path.stat().st_mode) if path.exists() else 0o644
        files.replace(path, content, mode=mode)
    except OSError as error:
        raise FileError(f"The policy {path} can't be written: {_why(error)}") from error


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _why(error: OSError | UnicodeDecodeError) -> str:
    return error.strerror or str(error) if isinstance(error, OSError) else "it is no UTF-8"
