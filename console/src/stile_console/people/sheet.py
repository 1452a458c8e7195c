"""New keys as they are handed out: a link with the key in its fragment, and its QR code."""

from collections.abc import Iterator
from urllib.parse import urlsplit

import segno
from pydantic import BaseModel

from stile_console.errors import InvalidError

QUIET_ZONE = 4
"""Light modules around a QR code (ISO/IEC 18004)."""
_NO_ADDRESS = "Give the address of the chat page as http://HOST:PORT."


class QrCode(BaseModel):
    """A QR code, as SVG draws it: lines of width 1 in a square."""

    size: int
    """Of the square's side, in modules, the quiet zone included."""
    path: str
    """A path's ``d``."""


class Ticket(BaseModel):
    """What one person gets."""

    name: str
    key: str
    link: str
    qr: QrCode


def ticket(name: str, key: str, address: str) -> Ticket:
    """Make what a person gets.

    Args:
        name: of the key.
        key: which only its holder will see again.
        address: of the chat page, as the people with keys reach it.
    """
    link = f"{address}/#key={key}"
    return Ticket(name=name, key=key, link=link, qr=qr_code(link))


def checked_address(address: str) -> str:
    """Return an address without the slash at its end.

    Raises:
        InvalidError: it is not the address of a page.
    """
    try:
        parts = urlsplit(address.strip())
    except ValueError as error:
        raise InvalidError(_NO_ADDRESS) from error
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.query or parts.fragment:
        raise InvalidError(_NO_ADDRESS)
    return address.strip().rstrip("/")


def qr_code(text: str) -> QrCode:
    """Encode ``text``; 15 % of the code may be damaged (level M)."""
    code = segno.make(text, error="m", micro=False)
    rows = [bytes(row) for row in code.matrix]
    return QrCode(size=len(rows) + 2 * QUIET_ZONE, path="".join(_lines(rows)))


def _lines(rows: list[bytes]) -> Iterator[str]:
    for y, row in enumerate(rows):
        x = 0
        while x < len(row):
            end = x
            while end < len(row) and row[end]:
                end += 1
            if end > x:
                yield f"M{x + QUIET_ZONE} {y + QUIET_ZONE}.5h{end - x}"
            x = max(end, x + 1)
