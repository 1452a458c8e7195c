"""The file of API keys, as `stile keys` reads and changes it."""

from collections.abc import Callable
from pathlib import Path

from stile.errors import CredentialsError
from stile_runtime import api_keys
from stile_runtime.api_keys import ApiKey, ApiKeys, KeyFileError


def read(path: Path) -> ApiKeys:
    """Read the file; one that is not there holds no keys.

    Raises:
        CredentialsError: it can't be read, or holds something else.
    """
    try:
        return api_keys.read(path) if path.exists() else ApiKeys()
    except KeyFileError as error:
        raise CredentialsError(f"{path}: {error}") from error


def change(path: Path, changed: Callable[[tuple[ApiKey, ...]], tuple[ApiKey, ...]]) -> None:
    """Replace the keys by ``changed`` of them, one change after another.

    Raises:
        CredentialsError: the file can't be read or written, or holds something else.
    """
    try:
        api_keys.change(path, changed)
    except KeyFileError as error:
        raise CredentialsError(f"{path}: {error}") from error
