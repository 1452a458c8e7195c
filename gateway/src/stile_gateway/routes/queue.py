"""``GET /queue``: how long the queue is."""

from fastapi import APIRouter, Request

from stile_contracts.messages import QueueState
from stile_gateway.admission import caller_of
from stile_gateway.errors import NoFilterError
from stile_gateway.readiness import part_state
from stile_gateway.routes.documented import QUEUE_ERRORS
from stile_runtime.fleet import ALIVE_SECONDS, Fleet


def router(fleet: Fleet) -> APIRouter:
    """Make the route; ``fleet`` has the filters' heartbeats."""
    routes = APIRouter(tags=["chat"])

    @routes.get(
        "/queue",
        summary="How long the queue is",
        response_model_exclude_none=True,
        responses=QUEUE_ERRORS,
    )
    async def get_queue(request: Request) -> QueueState:
        """Tell each lane's waiting requests, the estimate for a new one, and how many are being answered."""
        caller_of(request.scope)  # nobody without a key, where keys are asked for
        queue = fleet.queue()
        if queue is None:
            reason = part_state(fleet, "filter").reason or f"no filter told of it within {ALIVE_SECONDS:g} s"
            raise NoFilterError(f"The queue is not known: {reason}.", retry_after=1)
        return queue

    return routes
