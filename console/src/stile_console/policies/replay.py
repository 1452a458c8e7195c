"""What a policy would have done with the archive's requests: the filter's own command, as a child process."""

import asyncio
import json
import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any
from uuid import uuid4

from stile_console.errors import InvalidError, NotFoundError
from stile_runtime.installation import files

REPLAY_SECONDS = 600.0
_PIPE_CHARS = 1_024
"""Of a key, which has 43: a pipe takes so much without a reader."""


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
        key: the archive's private key. It is written to no file.
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
        draft = folder / f".replay-{uuid4().hex}.yml"
        try:
            files.replace(draft, policy)
        except OSError:  # it may not write there
            draft = Path(scratch) / "policy.yml"
            files.replace(draft, policy)
        try:
            return await _run(
                *(command, "policy", "replay", "--json", "--since", f"{days}d"),
                *("--policy", str(draft), "--archive", str(archive)),
                key=key,
            )
        finally:
            draft.unlink(missing_ok=True)


async def _run(*arguments: str, key: str) -> dict[str, Any]:
    # Through a pipe: a file would stay if this process were killed.
    reading, writing = os.pipe()
    try:
        with os.fdopen(writing, "w") as pipe:
            pipe.write(key.strip()[:_PIPE_CHARS])
        child = await asyncio.create_subprocess_exec(
            *(*arguments, "--key", f"/dev/fd/{reading}"),
            pass_fds=(reading,),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
    finally:
        os.close(reading)
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
