"""A backup: what an installation cannot make anew, in one file that only its owner can read.

It has the keys and secrets, the API keys' digests, the policy and the sealed archive. Each of these files is
replaced whole when it changes, so a backup is consistent while Stile runs. Only the archive's files grow, and
a reader of them ignores half a record at the end. nats-server writes into the streams' files, so these are
copied only if it is stopped. Logs are left out, and so is what `stile up` writes anew at each start.
"""

import contextlib
import gzip
import io
import json
import os
import tarfile
import tempfile
import time
import zlib
from collections.abc import Iterable, Sequence
from importlib.metadata import version
from pathlib import Path

from stile.errors import BackupError
from stile.home import Home

FORMAT = 1
_MANIFEST = "stile-backup.json"
_FILE_MODE, _FOLDER_MODE = 0o600, 0o700
_PIECE = 1 << 20


def kept(home: Home, *, with_data: bool) -> list[Path]:
    """Return the files and folders of a backup, whether they are there or not."""
    lasting = [
        home.credentials,
        home.clients,
        home.api_keys,
        home.policy,
        home.policy.with_name("wordlists"),
        home.archive,
        home.archive_key,
    ]
    return [*lasting, *([home.store] if with_data else [])]


def write(home: Home, file: Path, *, with_data: bool) -> int:
    """Write a backup; return how many files are in it.

    Args:
        home: the installation; stopped, if ``with_data``.
        file: a new file.
        with_data: the streams too.

    Raises:
        BackupError: there is nothing to keep, or the file is there already or can't be written.
    """
    now = int(time.time())
    manifest = {"format": FORMAT, "stile": version("stile-cli"), "created": now}
    draft = file.with_name(f".{file.name}.new")
    try:
        there = [path for path in kept(home, with_data=with_data) if path.exists()]
        if not there:
            raise BackupError(f"there is nothing to keep in {home.folder}: is STILE_HOME right?")
        if file.exists():
            raise BackupError(f"{file} is there already: choose another name")
        draft.unlink(missing_ok=True)
        with (
            os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _FILE_MODE), "wb") as opened,
            # A policy or an archive that is a link to another place is kept as a file.
            tarfile.open(fileobj=opened, mode="w:gz", dereference=True) as archive,
        ):
            described = json.dumps(manifest).encode()
            entry = tarfile.TarInfo(_MANIFEST)
            entry.size, entry.mode, entry.mtime = len(described), _FILE_MODE, now
            archive.addfile(entry, io.BytesIO(described))
            for path in there:
                archive.add(path, str(path.relative_to(home.folder)), filter=_wanted)
            count = sum(member.isfile() for member in archive.getmembers()) - 1
        draft.replace(file)
    except OSError as error:
        raise BackupError(f"{file} cannot be written: {_reason(error, file, draft)}") from error
    finally:
        with contextlib.suppress(OSError):
            draft.unlink(missing_ok=True)
    return count


def read(home: Home, file: Path, *, replace: bool) -> Path | None:
    """Put a backup into an installation that is stopped; return where what was there before is now.

    Args:
        home: the installation; made if it is not there.
        file: what ``write`` has written.
        replace: what is there is moved aside; else nothing may be there.

    Raises:
        BackupError: it is not a backup, something is there already, or files can't be written.
    """
    try:
        home.folder.mkdir(mode=_FOLDER_MODE, parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=home.folder, prefix=".restore-") as folder:
            new = Path(folder)
            _extract(file, new)
            found = [
                path for path in kept(home, with_data=True) if (new / path.relative_to(home.folder)).exists()
            ]
            taken = [path for path in found if os.path.lexists(path)]
            if taken and not replace:
                raise BackupError(
                    f"{taken[0]} is there already: --replace moves aside what a backup would overwrite"
                )
            aside = home.folder / f"replaced-{time.strftime('%Y%m%d-%H%M%S')}" if taken else None
            away = [(path, aside / path.relative_to(home.folder)) for path in taken] if aside else []
            _move([*away, *((new / path.relative_to(home.folder), path) for path in found)])
    except (OSError, tarfile.TarError, EOFError, zlib.error) as error:
        raise BackupError(f"{file} cannot be restored: {_reason(error, file)}") from error
    return aside


def _extract(file: Path, folder: Path) -> None:
    with gzip.open(file) as unpacked, tarfile.open(fileobj=unpacked, mode="r:") as archive:
        _check(archive, file)
        # The filter keeps every file below the folder, and leaves out devices and foreign owners.
        plain = [member for member in archive if member.isfile() or member.isdir()]
        archive.extractall(folder, plain, filter="data")
        while unpacked.read(_PIECE):  # its checksum is at the end
            pass
    for path in folder.rglob("*"):
        path.chmod(_FOLDER_MODE if path.is_dir() else _FILE_MODE)


def _check(archive: tarfile.TarFile, file: Path) -> None:
    try:
        member = archive.extractfile(_MANIFEST)
        manifest = json.loads(member.read()) if member else {}
    except (KeyError, ValueError):
        manifest = {}
    made = manifest.get("format") if isinstance(manifest, dict) else None
    if made is None:
        raise BackupError(f"{file} is not a backup of Stile")
    if made != FORMAT:
        raise BackupError(f"{file} was written by a later version of Stile")


def _wanted(entry: tarfile.TarInfo) -> tarfile.TarInfo | None:
    """Keep only files and folders, without their owners' names. Leave out files that are half written."""
    is_draft = Path(entry.name).name.startswith(".")
    if is_draft or not (entry.isfile() or entry.isdir()):
        return None
    entry.uid = entry.gid = 0
    entry.uname = entry.gname = ""
    return entry


def _move(moves: Sequence[tuple[Path, Path]]) -> None:
    """Rename each source to its target, all or none."""
    done: list[tuple[Path, Path]] = []
    try:
        for source, target in moves:
            target.parent.mkdir(mode=_FOLDER_MODE, parents=True, exist_ok=True)
            source.rename(target)
            done.append((source, target))
    except OSError:
        for source, target in reversed(done):
            target.rename(source)
        raise


def _reason(error: Exception, *named: Path) -> str:
    """Return why something failed, and the file that it failed with if that is not ``named`` anyway."""
    if not isinstance(error, OSError) or not error.strerror:
        return str(error)
    is_other = error.filename is not None and str(error.filename) not in map(str, named)
    return f"{error.filename}: {error.strerror}" if is_other else error.strerror


def outside(home: Home, named: Iterable[Path | None]) -> list[Path]:
    """Return those of the files that a variable names elsewhere: a backup does not have them."""
    inside = kept(home, with_data=False)
    return [
        path
        for path in named
        if path is not None
        and not any((path.parent.resolve() / path.name).is_relative_to(folder) for folder in inside)
    ]
