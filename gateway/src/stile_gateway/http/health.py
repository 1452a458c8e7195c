"""``/healthz``, ``/readyz`` and ``/metrics``: for whoever runs Stile."""

from typing import Literal

from fastapi import APIRouter, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST
from pydantic import BaseModel

from stile_gateway.http.dependencies import services_of
from stile_gateway.http.document import OPERATIONS
from stile_gateway.http.readiness import Readiness, readiness

router = APIRouter(tags=[OPERATIONS])


class Health(BaseModel):
    """The process is up."""

    status: Literal["ok"] = "ok"


_HEALTHY = Health().model_dump_json()


@router.get("/healthz", summary="Is the process up", responses={200: {"model": Health}})
async def healthz() -> Response:
    """Always 200."""
    return Response(_HEALTHY, media_type="application/json")


@router.get(
    "/readyz",
    summary="Would a chat be answered now",
    responses={200: {"model": Readiness}, 503: {"model": Readiness, "description": "Not ready"}},
)
async def readyz(request: Request) -> Response:
    """Tell which parts are ready, and why others are not."""
    services = services_of(request)
    state = readiness(services.fleet, connected=services.bus.connected)
    return Response(
        state.model_dump_json(exclude_none=True),
        200 if state.ready else 503,
        media_type="application/json",
    )


@router.get(
    "/metrics",
    summary="Metrics in Prometheus' text format",
    response_class=Response,
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}},
)
async def exposition(request: Request) -> Response:
    """Return what is counted and measured."""
    text = services_of(request).metrics.exposition()
    return Response(text, headers={"Content-Type": CONTENT_TYPE_LATEST})
