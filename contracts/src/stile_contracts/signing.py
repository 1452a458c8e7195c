"""What a signature of an approval is made over, and how it and its keys are written (docs/protocol.md).

The definition alone, without a cryptographic library: the filter signs, the consumer verifies in Rust, and
``fixtures/v1/signature.json`` holds the two together.
"""

import base64
import hashlib
from collections.abc import Mapping

from stile_contracts import headers

VERSION = "stile-approval-v1"
"""The payload's first line, so that a signature under these keys is good for nothing else."""

SEED_BYTES = 32
"""Of an Ed25519 seed, and of a public key (RFC 8032, section 5.1.5)."""

SIGNED_HEADERS = (
    headers.CHAT_REPLY_TO,
    headers.CHAT_DEADLINE,
    headers.CHAT_EVENTS,
    headers.CHAT_POLICY,
    headers.CHAT_BODY_SHA256,
)
"""In the payload's order. The id, the client and the lane stand in the subject."""


def payload(subject: str, message_headers: Mapping[str, str], body: bytes) -> bytes:
    """Return what is signed: one line each for version, subject, headers, and the body's SHA-256 in hex.

    Neither a subject nor a header's value can hold a line break, so no two approvals have one payload. A
    header that is not there is an empty line.
    """
    values = (message_headers.get(name, "") for name in SIGNED_HEADERS)
    return "\n".join((VERSION, subject, *values, hashlib.sha256(body).hexdigest())).encode()


def key_id(public_key: bytes) -> str:
    """Name a key for ``Chat-Signing-Key``; ``public_key`` is its 32 raw bytes."""
    return hashlib.sha256(public_key).hexdigest()[:16]


def encode(raw: bytes) -> str:
    """Write a signature, a seed or a public key: base64url without padding (RFC 4648, section 5)."""
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def decode(text: str) -> bytes:
    """Read what ``encode`` wrote.

    Raises:
        ValueError: it is no base64url without padding, or not the one way to write its bytes.
    """
    raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    if encode(raw) != text:
        raise ValueError("not base64url without padding")
    return raw
