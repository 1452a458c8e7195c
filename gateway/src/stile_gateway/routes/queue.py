"""``GET /queue``: how long the queue is."""

from fastapi import APIRouter, Request

from stile_contracts.messages import QueueState
from stile_gateway.callers import Callers
from stile_gateway.errors import NoFilterError
from stile_gateway.presence import ALIVE_SECONDS, Presence
from stile_gateway.routes.asking import caller_of
from stile_gateway.routes.documented import QUEUE_ERRORS


def router(callers: Callers, presence: Presence) -> APIRouter:
    """Make the route.

    Args:
        callers: who may know.
        presence: who has the filters' heartbeats.
    """
    routes = APIRouter(tags=["chat"])

    @routes.get(
        "/queue",
        summary="How long the queue is",
        response_model_exclude_none=True,
        responses=QUEUE_ERRORS,
    )
    async def get_queue(request: Request) -> QueueState:
        """Tell each lane's waiting requests, the estimate for a new one, and how many are being answered."""
        caller_of(request, callers)
        queue = presence.queue()
        if queue is None:
            reason = presence.state("filter").reason or f"no filter told of it within {ALIVE_SECONDS:g} s"
            raise NoFilterError(f"The queue is not known: {reason}.", retry_after=1)
        return queue

    return routes
