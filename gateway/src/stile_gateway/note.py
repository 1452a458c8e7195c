"""What is known of one HTTP request when it is over."""

import re
from dataclasses import dataclass
from enum import Enum

from starlette.types import Scope

CLIENT_GONE = 499
"""The status in logs and metrics where the client was gone before an answer (nginx's convention)."""

PROBES = frozenset({"/healthz", "/readyz", "/metrics"})
"""The addresses that whoever watches the gateway asks every few seconds."""

_KEY = "stile.note"
_OPENAI = re.compile(r"/v1/(?:chat/completions|models)(?:/|$)")


class Dialect(Enum):
    """Whose clients an address is for: the shape of its errors."""

    STILE = "stile"
    OPENAI = "openai"

    @classmethod
    def of(cls, path: str) -> "Dialect":
        """Return the dialect that is spoken at ``path``."""
        return cls.OPENAI if _OPENAI.match(path) else cls.STILE


@dataclass(slots=True)
class Note:
    """Begun by ``access``; whoever answers fills in what it knows."""

    request_id: str
    chat_id: str | None = None
    code: str = "ok"
    """``ok``, ``refused``, ``client_gone``, or the error's code."""
    status: int = CLIENT_GONE
    """As sent."""
    dialect: Dialect = Dialect.STILE

    def pin_to(self, scope: Scope) -> None:
        """Let ``note_of`` find it."""
        scope[_KEY] = self


def note_of(scope: Scope) -> Note:
    """Return the note of the request with this scope."""
    note: Note = scope[_KEY]
    return note
