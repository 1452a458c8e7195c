"""Server-sent events: those with JSON, and comments, which clients ignore and people can read."""

import math
from typing import Any

from fastapi.sse import format_sse_event

from stile_contracts.messages import AcceptedEvent, PositionEvent
from stile_gateway.dialects.replies import compact

MEDIA_TYPE = "text/event-stream"
KEEP_ALIVE = b": keep-alive\n\n"


def json_event(body: dict[str, Any], name: str | None = None) -> bytes:
    """Write an event."""
    return format_sse_event(event=name, data_str=compact(body))


def position_comment(queued: AcceptedEvent | PositionEvent) -> bytes:
    """Write a position in the queue as a comment: ``: position 2, about 20 s``."""
    text = "queued" if queued.position is None else f"position {queued.position}"
    if queued.held:
        text += ", on hold"
    elif queued.estimate_seconds is not None:
        text += f", about {math.ceil(queued.estimate_seconds)} s"
    return format_sse_event(comment=text)
