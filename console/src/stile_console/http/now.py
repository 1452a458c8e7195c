"""``/api/queue``: who is answered, who waits; one is cancelled, all are held."""

from uuid import UUID

import structlog
from fastapi import APIRouter, Request
from pydantic import BaseModel

from stile_console.errors import NotFoundError
from stile_console.http.dependencies import services_of
from stile_contracts import subjects
from stile_contracts.messages import CancelReceipt, HoldState, QueueListing

log = structlog.get_logger(__name__)

router = APIRouter(prefix="/api/queue")


class Speed(BaseModel):
    """How fast a model is, as a moving average."""

    model: str
    workers: int
    answer_tokens_per_second: float | None
    prompt_tokens_per_second: float | None
    seconds_per_request: float | None


class Now(BaseModel):
    """The queue, and the models."""

    queue: QueueListing
    models: list[Speed]


class Hold(BaseModel):
    """Whether nothing more is started."""

    held: bool


@router.get("", response_model_exclude_none=True)
async def now(request: Request) -> Now:
    """Return who is answered, who waits, and how fast the models are."""
    services = services_of(request)
    queue = await services.bus.queue()
    workers = [beat for beat in services.fleet.alive("consumer") if beat.model]
    models = [
        Speed(
            model=name,
            workers=len(mine),
            answer_tokens_per_second=_mean([beat.predicted_per_second for beat in mine]),
            prompt_tokens_per_second=_mean([beat.prompt_per_second for beat in mine]),
            seconds_per_request=_mean([beat.service_seconds for beat in mine]),
        )
        for name in sorted({beat.model for beat in workers if beat.model})
        for mine in [[beat for beat in workers if beat.model == name]]
    ]
    return Now(queue=queue, models=models)


@router.delete("/{client}/{chat_id}")
async def cancel(request: Request, client: str, chat_id: UUID) -> CancelReceipt:
    """Cancel a request of any client."""
    if not subjects.is_token(client):
        raise NotFoundError("There is no such client.")
    receipt = await services_of(request).bus.cancel(client, chat_id)
    log.info("request_cancelled", client=client, chat_id=str(chat_id), hit=receipt.hit)
    return receipt


@router.put("/hold")
async def hold(request: Request, sent: Hold) -> HoldState:
    """Start nothing more, or go on."""
    state = await services_of(request).bus.hold(held=sent.held)
    log.info("queue_held" if state.held else "queue_resumed")
    return state


def _mean(values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None
