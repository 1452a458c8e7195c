"""The files that the owner names on the command line."""

from pathlib import Path

from stile_filter.errors import FilterServiceError
from stile_filter.guard.policy import preset, presets


class MissingFileError(FilterServiceError):
    """No file has this name in the places where a bare name is looked for."""


def find(written: Path, home: Path | None) -> Path:
    """Return the file of a bare name: in this folder, or else in ``STILE_HOME``. A path stays as it is.

    Raises:
        MissingFileError: neither has one.
    """
    if _is_path(written) or written.exists():
        return written
    if home is not None and (home / written).exists():
        return home / written
    raise MissingFileError(_not_found(written, home) + "; give its path")


def find_policy(written: Path, home: Path | None) -> Path:
    """Do the same; ``school`` may also be a policy that comes with Stile.

    Raises:
        MissingFileError: there is none of this name.
    """
    try:
        return find(written, home)
    except MissingFileError:
        if not written.suffix and (named := preset(written.name)).exists():
            return named
        names = ", ".join(presets())
        raise MissingFileError(
            f"{_not_found(written, home)}; give its path, or the name of a policy of Stile's: {names}"
        ) from None


def _is_path(written: Path) -> bool:
    return written.name != str(written)


def _not_found(written: Path, home: Path | None) -> str:
    return f"{written}: no such file in {Path.cwd()}" + (f" or in {home}" if home else "")
