"""Writes a text in fewer kinds of characters, so that it is searched at once; fast for ASCII."""

from collections.abc import Callable

_MOST = 16_384
"""So many characters beyond ASCII are remembered: Unicode has a million, and a client may send them all."""


class Table:
    """Replaces each character by another, or by nothing.

    Args:
        of: returns what a character becomes; None: it is left out.
        foreign: whether ``of`` is asked about characters beyond ASCII; if not, each of them is a ``?``.
    """

    def __init__(self, of: Callable[[str], str | None], *, foreign: bool = True) -> None:
        self._foreign = foreign
        made = [of(chr(code)) for code in range(128)]
        self._ascii = bytes(code if new is None else ord(new) for code, new in enumerate(made)).ljust(256)
        self._left_out = bytes(code for code, new in enumerate(made) if new is None)
        self._others = _Others(of)

    def __call__(self, text: str) -> str:
        """Return ``text`` with its characters replaced."""
        if text.isascii() or not self._foreign:
            return text.encode("ascii", "replace").translate(self._ascii, self._left_out).decode()
        return text.translate(self._others)


class _Others(dict[int, str | None]):
    """What each character becomes, made when it is first met."""

    def __init__(self, of: Callable[[str], str | None]) -> None:
        self._of = of

    def __missing__(self, code: int) -> str | None:
        if len(self) >= _MOST:
            self.clear()
        self[code] = new = self._of(chr(code))
        return new
