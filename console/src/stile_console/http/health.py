"""``/api/health``: the state of each part."""

from fastapi import APIRouter, Request

from stile_console.health import parts
from stile_console.health.parts import Health
from stile_console.http.dependencies import services_of

router = APIRouter(prefix="/api")


@router.get("/health", response_model_exclude_none=True)
async def health(request: Request) -> Health:
    """Return each part's state, memory, restarts and last error, and the disk."""
    services = services_of(request)
    return await parts.health(services.settings, services.bus, services.fleet)
