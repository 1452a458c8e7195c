"""The file of API keys, as `stile keys` changes it."""

import fcntl
from collections.abc import Callable
from pathlib import Path

from pydantic import ValidationError

from stile import files
from stile.errors import CredentialsError
from stile_runtime.api_keys import ApiKey, ApiKeys


def read(path: Path) -> ApiKeys:
    """Read the file; one that is not there holds no keys.

    Raises:
        CredentialsError: it can't be read, or holds something else.
    """
    try:
        return ApiKeys.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return ApiKeys()
    except OSError as error:
        raise CredentialsError(f"{path} cannot be read: {error.strerror}") from error
    except ValidationError as error:
        raise CredentialsError(f"{path} holds no API keys: mend it, or move it away") from error


def change(path: Path, changed: Callable[[tuple[ApiKey, ...]], tuple[ApiKey, ...]]) -> None:
    """Replace the keys by ``changed`` of them, one change after another.

    Raises:
        CredentialsError: the file can't be read or written.
    """
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with path.with_name(f".{path.name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            keys = ApiKeys(keys=changed(read(path).keys))
            files.replace(path, keys.model_dump_json(indent=2, exclude_none=True) + "\n")
    except OSError as error:
        raise CredentialsError(f"{path} cannot be written: {error.strerror}") from error
