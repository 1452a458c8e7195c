"""The keys of signed approvals: the filter's seed, and the public keys that the consumers believe.

Two files in ``credentials/``. ``signing.key`` holds the seed; ``approval.keys`` holds a line for the key that
signs and one for the key before it, so that what that one has signed is still answered. Their form is that of
docs/protocol.md, "Signed approvals".
"""

import math
import os
import time
from pathlib import Path

from nacl.signing import SigningKey

from stile import credentials
from stile.errors import CredentialsError
from stile_contracts import signing

SETTLED_SECONDS = 3600.0
"""After so long no request waits any more that a former key has signed: a direct client's deadline is at most
40 minutes away (``stile_filter.admission.envelope.MAX_DIRECT_MS``), the gateway's by default ten."""

_HEADING = "# The keys whose approvals are believed, written by `stile`: <key id> <public key>\n"


def seed_file(folder: Path) -> Path:
    """Name the file with the seed, for the filter's ``STILE_SIGNING_KEY``."""
    return folder / "signing.key"


def public_file(folder: Path) -> Path:
    """Name the file with the public keys, for the consumer's ``STILE_APPROVAL_KEYS``."""
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
    believed = _believed(folder)
    if current not in believed:
        _write_public(folder, {**believed, current: public})
    return current


def rotate(folder: Path, *, revoke: bool = False) -> str:
    """Have another key sign from now on; return its id.

    The public key is written first, so a consumer knows it before the first approval that it signs. Of the
    former keys the last one stays, for the requests that wait; a crash in between leaves the key that signs.

    Args:
        folder: where the two files lie.
        revoke: the former key is believed no more, and what it has signed is dropped.

    Raises:
        CredentialsError: there is no key yet, a file can't be used, or the key that this would drop may have
            signed requests that still wait.
    """
    if not seed_file(folder).exists():
        raise CredentialsError(f"{seed_file(folder)} is not there: `stile up` makes the first key")
    current, public = _current(folder)
    former = _believed(folder).keys() - {current}
    if former and not revoke and (wait := _unsettled_seconds(folder)) > 0:
        raise CredentialsError(
            "the key was changed within the hour, and what the one before has signed may still wait: "
            f"try again in {math.ceil(wait / 60)} minutes, or drop them with --revoke"
        )
    return _replace(folder, os.urandom(signing.SEED_BYTES), keep={} if revoke else {current: public})


def check(folder: Path) -> str:
    """Say which key signs.

    Raises:
        CredentialsError: signing is off, or the consumers would drop what the filter signs.
    """
    for file in (seed_file(folder), public_file(folder)):
        if not file.exists():
            raise CredentialsError(f"signing is off: {file} is not there; `stile up` makes it")
    current, _ = _current(folder)
    if current not in _believed(folder):
        raise CredentialsError(
            f"{public_file(folder)} has no line for {current}, the key that signs: every request would be "
            "dropped; `stile credentials` adds it"
        )
    return f"approvals are signed by {current}"


def _replace(folder: Path, seed: bytes, keep: dict[str, bytes]) -> str:
    public = bytes(SigningKey(seed).verify_key)
    key_id = signing.key_id(public)
    _write_public(folder, {**keep, key_id: public})
    credentials.write_secret(seed_file(folder), f"{signing.encode(seed)}\n".encode())
    return key_id


def _unsettled_seconds(folder: Path) -> float:
    return public_file(folder).stat().st_mtime + SETTLED_SECONDS - time.time()


def _current(folder: Path) -> tuple[str, bytes]:
    path = seed_file(folder)
    credentials.require_private(path)
    try:
        public = bytes(SigningKey(signing.decode(path.read_text("ascii").strip())).verify_key)
    except (OSError, ValueError) as error:
        raise CredentialsError(f"{path} holds no seed: delete it to have a new one made") from error
    return signing.key_id(public), public


def _believed(folder: Path) -> dict[str, bytes]:
    """Read the public keys by their ids; none where the file is not there."""
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
    credentials.write_secret(public_file(folder), f"{_HEADING}{lines}".encode())
