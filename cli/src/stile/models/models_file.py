"""The file models/models.toml, which the catalogue and the classifiers are read from."""

import tomllib
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from stile.errors import ModelError
from stile.home import Root

NAME = "models.toml"
Entry = TypeVar("Entry", bound=BaseModel)


def place(root: Root) -> Path:
    """Return the file: beside the weights, if there is one, else Stile's own."""
    own = root.weights / NAME
    return own if own.is_file() else root.models / NAME


def read(path: Path, table: str, kind: type[Entry]) -> tuple[Entry, ...]:
    """Read the entries ``[[table]]``; there may be none.

    Args:
        path: the file.
        table: ``model`` or ``classifier``.
        kind: what each entry is.

    Raises:
        ModelError: the file cannot be read, or an entry is not as it must be.
    """
    try:
        entries = tomllib.loads(path.read_text()).get(table, [])
        return tuple(kind.model_validate(entry) for entry in entries)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(map(str, first["loc"])) or table
        raise ModelError(f"{path}: {field}={first['input']!r}: {first['msg']}") from error
    except (OSError, ValueError, TypeError) as error:
        raise ModelError(f"{path}: {error}") from error
