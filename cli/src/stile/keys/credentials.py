"""The services' nkeys, made at the first start: seeds in files of mode 0600.

An nkey is an Ed25519 key pair; nats-server knows the public half alone, so neither its
configuration nor its environment holds a secret
(https://docs.nats.io/running-a-nats-service/configuration/securing_nats).
"""

import os
import secrets
from pathlib import Path

import nkeys

from stile.errors import CredentialsError
from stile_runtime.installation import files

USERS = ("provisioner", "gateway", "filter", "consumer", "console")
"""The users of the APP account in ``nats/accounts.conf``, one a service."""


def seed_file(folder: Path, user: str) -> Path:
    """Return the file that holds ``user``'s seed."""
    return folder / f"{user}.nk"


def ensure(folder: Path, users: tuple[str, ...] = USERS) -> dict[str, str]:
    """Make the missing seeds in ``folder``; return each user's public key.

    Raises:
        CredentialsError: a seed file is there and is no seed, or others may read it.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return {user: _public_key(seed_file(folder, user)) for user in users}


def route_password(folder: Path) -> str:
    """Return the password that the servers of a cluster know each other by; made if there is none.

    It lies in ``route.secret``, mode 0600, beside the seeds: a folder that is copied to the
    cluster's other machines carries it along.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = folder / "route.secret"
    if not path.exists():
        files.replace(path, secrets.token_hex(32))
    return path.read_text().strip()


def llama_key_file(folder: Path) -> Path:
    """Return the file that holds llama.cpp's key, which the worker sends."""
    return folder / "llama.key"


def ensure_llama_key(folder: Path) -> Path:
    """Make llama.cpp's key of 32 random bytes if there is none; return its file, of mode 0600."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = llama_key_file(folder)
    if not path.exists():
        files.replace(path, secrets.token_urlsafe(32))
    return path


def _public_key(path: Path) -> str:
    if not path.exists():
        files.replace(path, nkeys.encode_seed(os.urandom(32), nkeys.PREFIX_BYTE_USER))
    require_private(path)
    try:
        return str(nkeys.from_seed(bytearray(path.read_bytes().strip())).public_key.decode())
    except nkeys.NkeysError as error:
        raise CredentialsError(f"{path} holds no nkey seed: delete it to have a new one made") from error


def require_private(path: Path) -> None:
    """Check that only its owner can read a secret.

    Raises:
        CredentialsError: others can.
    """
    if path.stat().st_mode & 0o077:
        raise CredentialsError(
            f"{path} can be read by others: chmod 600 it, or delete it to have a new one made"
        )
