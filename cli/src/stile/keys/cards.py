"""Links that carry a key, as QR codes: in the terminal, and on a sheet to print and cut out.

The key is in the fragment of the address, which no browser sends to a server.
"""

import html
import os
import socket
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import segno
import typer

from stile.errors import CredentialsError
from stile.settings import Settings, authority

_ANY = ("0.0.0.0", "::")  # noqa: S104 -- looked up, not bound
_ELSEWHERE = ("192.0.2.1", 9)
"""An address for documentation (RFC 5737): nothing is sent to it."""

_SHEET = """\
<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>Keys for Stile</title>
<style>
  body {{ display: grid; grid-template-columns: repeat(auto-fill, 6cm); margin: 1cm; font: 11pt sans-serif; }}
  figure {{ margin: 0; padding: 4mm; border: 1px dashed #999; break-inside: avoid; text-align: center; }}
  svg {{ width: 4.5cm; height: 4.5cm; }}
  b {{ display: block; margin-bottom: 2mm; }}
  code {{ font-size: 7pt; overflow-wrap: anywhere; }}
</style>
{cards}
</html>
"""
_CARD = "<figure><b>{name}</b>{code}<figcaption>{page}<br><code>{key}</code></figcaption></figure>"


class Card(NamedTuple):
    """One person's key."""

    name: str
    key: str
    link: str


def page(settings: Settings) -> tuple[str, str | None]:
    """Return the chat page's address for other machines, and what is wrong with it or None."""
    if settings.public_url is not None:
        return settings.public_url, None
    if settings.host in _ANY:
        return f"http://{authority(_own_address() or settings.host, settings.port)}", None
    if settings.is_shared:
        return settings.url, None
    return settings.url, (
        "The links lead to this machine itself. For others, set STILE_HOST=0.0.0.0, or STILE_PUBLIC_URL "
        "to the address by which they reach the page."
    )


def show(cards: Sequence[Card]) -> None:
    """Write a line for each link, its name before it; a terminal gets the QR codes, too."""
    for card in cards:
        typer.echo(f"{card.name}\t{card.link}")
        if sys.stdout.isatty():
            segno.make(card.link).terminal(compact=True)


def write_sheet(file: Path, cards: Sequence[Card]) -> None:
    """Write a page of HTML with a card for each. Only its owner can read the file.

    Raises:
        CredentialsError: it is there already, or can't be written.
    """
    body = "\n".join(
        _CARD.format(
            name=html.escape(card.name),
            key=html.escape(card.key),
            page=html.escape(card.link.partition("/#")[0]),
            code=segno.make(card.link).svg_inline(omitsize=True),
        )
        for card in cards
    )
    try:
        with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as opened:
            opened.write(_SHEET.format(cards=body))
    except OSError as error:
        raise CredentialsError(
            f"{file} cannot be written: {error.strerror}. `stile keys revoke` takes the new keys back"
        ) from error


def _own_address() -> str | None:
    """Return the address that this machine has in its network, or None if it has none."""
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.connect(_ELSEWHERE)
            return str(probe.getsockname()[0])
    except OSError:
        return None
