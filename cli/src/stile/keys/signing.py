"""The keys of signed approvals: the filter's seed, and the public keys that the workers know.

Two files in ``credentials/``. ``signing.key`` holds the seed. ``approval.keys`` holds a line for
the key that signs and one for the key before it, so that requests which that key has signed are
still answered. docs/protocol.md, "Signed approvals", describes their form.
"""

import math
import os
import time
from pathlib import Path

from nacl.signing import SigningKey

from stile.errors import CredentialsError
from stile.keys import credentials
from stile_contracts import signing
from stile_runtime.installation import files

FORMER_KEY_SECONDS = 3600.0
"""After this time no request that a former key has signed is waiting: a direct client's deadline is at most
40 minutes away (the filter's ``MAX_DIRECT_MS``), the gateway's by default ten."""

_HEADING = "# The keys whose approvals are believed, written by `stile`: <key id> <public key>\n"


def seed_file(folder: Path) -> Path:
    """Return the file with the seed, for the filter's ``STILE_SIGNING_KEY``."""
    return folder / "signing.key"


def public_file(folder: Path) -> Path:
    """Return the file with the public keys, for the consumer's ``STILE_APPROVAL_KEYS``."""
    return folder / "approval.keys"


def ensure(folder: Path) -> str:
    """Make what is missing of the two files in ``folder``; return the id of the key that signs.

    Raises:
        CredentialsError: a file is there and can't be used, or others may read the seed.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not seed_file(folder).exists():
        _replace(folder, os.urandom(signing.SEED_BYTES), keep={})
    current, public = _current(folder)
    known = _known_keys(folder)
    if current not in known:
        _write_public(folder, {**known, current: public})
    return current


def rotate(folder: Path, *, revoke: bool = False) -> str:
    """Have another key sign from now on; return its id.

    The public key is written first, so a worker knows it before the first approval that it signs.
    Only the last of the former keys stays, for the requests that wait. A crash between the two
    leaves the old key signing.

    Args:
        folder: of the two files.
        revoke: remove the former key: what it has signed is dropped.

    Raises:
        CredentialsError: there is no key yet, a file can't be used, or requests may be waiting
            that the key which this would drop has signed.
    """
    if not seed_file(folder).exists():
        raise CredentialsError(f"{seed_file(folder)} is not there: `stile up` makes the first key")
    current, public = _current(folder)
    former = _known_keys(folder).keys() - {current}
    if former and not revoke and (wait := _former_key_seconds(folder)) > 0:
        raise CredentialsError(
            "the key was changed within the hour, and what the one before has signed may still wait: "
            f"try again in {math.ceil(wait / 60)} minutes, or drop them with --revoke"
        )
    return _replace(folder, os.urandom(signing.SEED_BYTES), keep={} if revoke else {current: public})


def check(folder: Path) -> str:
    """Say which key signs.

    Raises:
        CredentialsError: signing is off, or the workers would drop what the filter signs.
    """
    for file in (seed_file(folder), public_file(folder)):
        if not file.exists():
            raise CredentialsError(f"signing is off: {file} is not there; `stile up` makes it")
    current, _ = _current(folder)
    if current not in _known_keys(folder):
        raise CredentialsError(
            f"{public_file(folder)} has no line for {current}, the key that signs: every request would be "
            "dropped; `stile credentials` adds it"
        )
    return f"approvals are signed by {current}"


def _replace(folder: Path, seed: bytes, keep: dict[str, bytes]) -> str:
    public = bytes(SigningKey(seed).verify_key)
    key_id = signing.key_id(public)
    _write_public(folder, {**keep, key_id: public})
    files.replace(seed_file(folder), f"{signing.encode(seed)}\n")
    return key_id


def _former_key_seconds(folder: Path) -> float:
    return public_file(folder).stat().st_mtime + FORMER_KEY_SECONDS - time.time()


def _current(folder: Path) -> tuple[str, bytes]:
    path = seed_file(folder)
    credentials.require_private(path)
    try:
        public = bytes(SigningKey(signing.decode(path.read_text("ascii").strip())).verify_key)
    except (OSError, ValueError) as error:
        raise CredentialsError(f"{path} holds no seed: delete it to have a new one made") from error
    return signing.key_id(public), public


def _known_keys(folder: Path) -> dict[str, bytes]:
    """Read the public keys by their ids; none if there is no file."""
    path = public_file(folder)
    keys: dict[str, bytes] = {}
    try:
        lines = path.read_text("ascii").splitlines() if path.exists() else []
        for line in lines:
            if words := line.partition("#")[0].split():
                key_id, public = words
                keys[key_id] = signing.decode(public)
                if signing.key_id(keys[key_id]) != key_id:
                    raise ValueError(key_id)  # noqa: TRY301 -- one sentence for all that may be wrong
    except (OSError, ValueError) as error:
        raise CredentialsError(
            f"{path} holds something else than keys ({error}): delete it to have it written anew"
        ) from error
    return keys


def _write_public(folder: Path, keys: dict[str, bytes]) -> None:
    lines = "".join(f"{key_id} {signing.encode(public)}\n" for key_id, public in keys.items())
    files.replace(public_file(folder), f"{_HEADING}{lines}")
