"""Files that are replaced whole, because another process may read them at any moment."""

import os
from pathlib import Path


def replace(path: Path, content: str | bytes, *, mode: int = 0o600) -> None:
    """Write ``content`` under ``path``, whole or not at all: a crash leaves no half of it.

    Args:
        path: the file; its folder is there.
        content: text in UTF-8, or bytes.
        mode: of the file; by default its owner alone reads it.
    """
    draft = path.with_name(f".{path.name}.new")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
        file.write(content.encode() if isinstance(content, str) else content)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
