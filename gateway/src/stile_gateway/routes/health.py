"""``/healthz``, ``/readyz`` and ``/metrics``: for whoever runs Stile."""

from typing import Literal

from fastapi import APIRouter, Response
from prometheus_client import CONTENT_TYPE_LATEST
from pydantic import BaseModel

from stile_gateway.bus import NatsBus
from stile_gateway.metrics import Metrics
from stile_gateway.openapi import OPERATIONS
from stile_gateway.readiness import Readiness, readiness
from stile_runtime.fleet import Fleet


class Health(BaseModel):
    """The process is up."""

    status: Literal["ok"] = "ok"


_HEALTHY = Health().model_dump_json()


def router(bus: NatsBus, fleet: Fleet, metrics: Metrics) -> APIRouter:
    """Make the routes that say how the gateway is."""
    routes = APIRouter(tags=[OPERATIONS])

    @routes.get("/healthz", summary="Is the process up", responses={200: {"model": Health}})
    async def healthz() -> Response:
        return Response(_HEALTHY, media_type="application/json")

    @routes.get(
        "/readyz",
        summary="Would a chat be answered now",
        responses={200: {"model": Readiness}, 503: {"model": Readiness, "description": "Not ready"}},
    )
    async def readyz() -> Response:
        state = readiness(fleet, connected=bus.connected)
        return Response(
            state.model_dump_json(exclude_none=True),
            200 if state.ready else 503,
            media_type="application/json",
        )

    @routes.get(
        "/metrics",
        summary="Metrics in Prometheus' text format",
        response_class=Response,
        responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}},
    )
    async def exposition() -> Response:
        return Response(metrics.exposition(), headers={"Content-Type": CONTENT_TYPE_LATEST})

    return routes
