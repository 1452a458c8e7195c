"""What a policy would have done with the archive's requests: the filter's own command, as a child process."""

import asyncio
import json
import secrets
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

from stile_console.errors import InvalidError, NotFoundError
from stile_runtime.installation import files

REPLAY_SECONDS = 600.0


def program() -> str | None:
    """Find the filter's program: beside this Python, else on PATH."""
    beside = Path(sys.executable).parent / "stile-filter"
    return str(beside) if beside.is_file() else shutil.which("stile-filter")


def is_possible(archive: Path | None) -> bool:
    """Return whether there is an archive, and a program to read it with."""
    return archive is not None and archive.is_dir() and program() is not None


async def replay(archive: Path | None, policy: str, folder: Path, key: str, days: int) -> dict[str, Any]:
    """Judge the archive's requests again; return counts, never a text.

    Args:
        archive: the folder of the sealed archive.
        policy: the text of its file.
        folder: of the policy in use, where its word lists are looked for.
        key: the archive's private key. It is in a file of mode 0600 as long as this takes.
        days: how far back.

    Raises:
        NotFoundError: there is no archive, or no program to read it with.
        InvalidError: the key, or the policy, can't be used.
    """
    command = program()
    if archive is None or command is None:
        raise NotFoundError("There is no archive here. docs/policy.md says how to turn it on.")
    # A few system calls on local files: no thread is needed for them.
    with tempfile.TemporaryDirectory(prefix="stile-replay-") as scratch:
        key_file = Path(scratch) / "archive.key"
        files.replace(key_file, key.strip() + "\n")
        draft = folder / f".replay-{secrets.token_hex(8)}.yml"
        try:
            files.replace(draft, policy)
        except OSError:  # it may not write there
            draft = Path(scratch) / "policy.yml"
            files.replace(draft, policy)
        try:
            return await _run(
                *(command, "policy", "replay", "--json", "--since", f"{days}d"),
                *("--key", str(key_file), "--policy", str(draft), "--archive", str(archive)),
            )
        finally:
            draft.unlink(missing_ok=True)


async def _run(*arguments: str) -> dict[str, Any]:
    child = await asyncio.create_subprocess_exec(
        *arguments, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    try:
        async with asyncio.timeout(REPLAY_SECONDS):
            out, err = await child.communicate()
    except TimeoutError:
        raise InvalidError(f"The replay was not done within {REPLAY_SECONDS:g} s.") from None
    finally:
        if child.returncode is None:
            child.kill()
    if child.returncode:
        lines = err.decode(errors="replace").strip().splitlines()
        raise InvalidError(lines[-1] if lines else f"The replay failed ({child.returncode}).")
    counted: dict[str, Any] = json.loads(out)
    counted.pop("changed", None)
    return counted
