"""The text that a signature of an approval covers, and the written form of signatures and keys.

This is only the definition, without a cryptographic library. The filter signs, and the worker
verifies in Rust; ``fixtures/v1/signature.json`` keeps the two equal. See docs/protocol.md.
"""

import base64
import hashlib
from collections.abc import Mapping

from stile_contracts import headers

VERSION = "stile-approval-v1"
"""The first line of the payload, so that a signature with these keys is valid for nothing else."""

SEED_BYTES = 32
"""The length of an Ed25519 seed, and of a public key (RFC 8032, section 5.1.5)."""

SIGNED_HEADERS = (
    headers.CHAT_REPLY_TO,
    headers.CHAT_DEADLINE,
    headers.CHAT_EVENTS,
    headers.CHAT_POLICY,
    headers.CHAT_BODY_SHA256,
)
"""In the order of the payload. The id, the client and the lane are in the subject."""


def payload(subject: str, message_headers: Mapping[str, str], body: bytes) -> bytes:
    """Return the text to sign: a line each for version, subject, headers, and the body's SHA-256.

    A missing header is an empty line. Neither a subject nor a header's value can contain a line
    break, so two different approvals never have the same payload.
    """
    values = (message_headers.get(name, "") for name in SIGNED_HEADERS)
    return "\n".join((VERSION, subject, *values, hashlib.sha256(body).hexdigest())).encode()


def key_id(public_key: bytes) -> str:
    """Return the id of a key for ``Chat-Signing-Key``; ``public_key`` is its 32 raw bytes."""
    return hashlib.sha256(public_key).hexdigest()[:16]


def encode(raw: bytes) -> str:
    """Return bytes as base64url without padding (RFC 4648, section 5)."""
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def decode(text: str) -> bytes:
    """Decode the output of ``encode``.

    Raises:
        ValueError: it is not base64url without padding, or not the spelling of ``encode``.
    """
    raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    if encode(raw) != text:
        raise ValueError("not base64url without padding")
    return raw
