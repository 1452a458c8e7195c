"""What is heard of one request, over HTTP and over NATS alike."""

from dataclasses import dataclass
from typing import Any

from stile.errors import RequestError


@dataclass(frozen=True)
class Queued:
    """It is accepted, or its place has changed."""

    id: str
    position: int | None
    """How many requests are answered before it."""
    seconds: float | None
    """Until it starts, about."""


@dataclass(frozen=True)
class Started:
    """The model begins to answer; what came of an answer before no longer counts."""

    id: str
    model: str | None


@dataclass(frozen=True)
class Piece:
    """A piece of the answer, of the thoughts before it, or of both."""

    text: str
    thoughts: str


@dataclass(frozen=True)
class Done:
    """The whole answer, as `POST /chat` gives it (docs/api.md)."""

    reply: dict[str, Any]

    @property
    def text(self) -> str:
        """The answer, or the text of the refusal."""
        return str(self.reply.get("response") or "")

    @property
    def is_refused(self) -> bool:
        """Whether the filter refused the request or the answer."""
        return self.reply.get("refused") is True

    @property
    def category(self) -> str | None:
        """Why it was refused."""
        refusal = self.reply.get("refusal")
        return refusal.get("category") if isinstance(refusal, dict) else None


Event = Queued | Started | Piece | Done


def read(name: str, data: object) -> Event | None:
    """Read an event; None if its name is not known.

    Args:
        name: HTTP's ``queued``, NATS's ``accepted`` and ``position``, or what both have.
        data: the JSON that comes with it.

    Raises:
        RequestError: the event is an error, or the data is not what an event has.
    """
    if not isinstance(data, dict):
        raise RequestError("no answer: an event of an unknown form came")
    match name:
        case "queued" | "accepted" | "position":
            return Queued(_text(data, "id"), data.get("position"), data.get("estimate_seconds"))
        case "started":
            return Started(_text(data, "id"), data.get("model"))
        case "token":
            return Piece(_text(data, "text"), _text(data, "reasoning_content"))
        case "done":
            return Done(data)
        case "error":
            raise RequestError(f"no answer: {reason(data)}")
    return None


def reason(body: object) -> str:
    """Return an error's code and message, from its body."""
    match body:
        case {"error": {"code": code, "message": message}}:
            return f"{code}: {message}"
        case {"error": {"message": message}}:
            return str(message)
    return str(body)


def _text(data: dict[str, Any], name: str) -> str:
    value = data.get(name)
    return value if isinstance(value, str) else ""
