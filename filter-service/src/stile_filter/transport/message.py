"""Messages of the bus, as they are received and as they are sent."""

from collections.abc import Mapping
from typing import NamedTuple


class IncomingMessage(NamedTuple):
    """A message as it was received."""

    subject: str
    reply_to: str
    headers: Mapping[str, str]
    body: bytes


class OutgoingMessage(NamedTuple):
    """A message to send."""

    subject: str
    body: bytes
    headers: dict[str, str] | None
    """None for the message that ends a reply stream: it must have no headers (ADR-47)."""
