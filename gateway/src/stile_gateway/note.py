"""What is known of one HTTP request when it is over."""

from dataclasses import dataclass

from starlette.types import Scope

CLIENT_GONE = 499
"""The status in logs and metrics where the client was gone before an answer (nginx's convention)."""

_KEY = "stile.note"


@dataclass(slots=True)
class Note:
    """Begun by ``access``; whoever answers fills in what it knows."""

    request_id: str
    chat_id: str | None = None
    code: str = "ok"
    """``ok``, ``refused``, ``client_gone``, or the error's code."""
    status: int = CLIENT_GONE
    """As sent."""

    def pin_to(self, scope: Scope) -> None:
        """Let ``note_of`` find it."""
        scope[_KEY] = self


def note_of(scope: Scope) -> Note:
    """Return the note of the request with this scope."""
    note: Note = scope[_KEY]
    return note
