"""``GET /queue``: how long the queue is."""

from fastapi import APIRouter

from stile_contracts.messages import ErrorReply, QueueState
from stile_gateway.errors import NoFilterError
from stile_gateway.presence import ALIVE_SECONDS, Presence


def router(presence: Presence) -> APIRouter:
    """Make the route.

    Args:
        presence: who has the filters' heartbeats.
    """
    routes = APIRouter(tags=["chat"])

    @routes.get(
        "/queue",
        summary="How long the queue is",
        response_model_exclude_none=True,
        responses={503: {"model": ErrorReply, "description": "`no_filter`"}},
    )
    async def get_queue() -> QueueState:
        """Tell each lane's waiting requests, the estimate for a new one, and how many are being answered."""
        queue = presence.queue()
        if queue is None:
            reason = presence.state("filter").reason or f"no filter told of it within {ALIVE_SECONDS:g} s"
            raise NoFilterError(f"The queue is not known: {reason}.", retry_after=1)
        return queue

    return routes
