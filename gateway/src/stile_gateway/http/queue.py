"""``GET /queue``: how long the queue is."""

from fastapi import APIRouter, Request

from stile_contracts.messages import QueueState
from stile_gateway.errors import NoFilterError
from stile_gateway.http.dependencies import Client, services_of
from stile_gateway.http.document import errors
from stile_gateway.http.readiness import part_state
from stile_runtime.fleet import ALIVE_SECONDS

router = APIRouter(tags=["chat"])


@router.get(
    "/queue",
    summary="How long the queue is",
    response_model_exclude_none=True,
    responses=errors(400, 401, 429, 503),
)
async def get_queue(request: Request, _client: Client) -> QueueState:
    """Tell each lane's waiting requests, the estimate for a new one, and how many are being answered."""
    fleet = services_of(request).fleet
    queue = fleet.queue()
    if queue is None:
        reason = part_state(fleet, "filter").reason or f"no filter told of it within {ALIVE_SECONDS:g} s"
        raise NoFilterError(f"The queue is not known: {reason}.", retry_after=1)
    return queue
