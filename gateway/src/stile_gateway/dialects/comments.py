"""Comments of server-sent events, which clients leave aside and people can read."""

import math

from fastapi.sse import format_sse_event

from stile_contracts.messages import AcceptedEvent, PositionEvent


def position_comment(queued: AcceptedEvent | PositionEvent) -> bytes:
    """Write a position in the queue as a comment: ``: position 2, about 20 s``."""
    text = "queued" if queued.position is None else f"position {queued.position}"
    if queued.estimate_seconds is not None:
        text += f", about {math.ceil(queued.estimate_seconds)} s"
    return format_sse_event(comment=text)
