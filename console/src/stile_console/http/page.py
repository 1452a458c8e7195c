"""``/`` and ``/page/…``: the page, and all that it loads; ``/healthz``."""

from importlib.resources import files

from fastapi import APIRouter, Request, Response

from stile_console.access.gate import PROBE
from stile_console.errors import NotFoundError
from stile_runtime.web import assets
from stile_runtime.web.assets import Asset

FOLDER = "page"


def router() -> APIRouter:
    """Make the page's routes. It holds nothing that is not in the package, so it needs no session."""
    routes = APIRouter()
    page_files = assets.read(files("stile_console") / FOLDER)

    @routes.api_route("/", methods=["GET", "HEAD"])
    async def page(request: Request) -> Response:
        return _send(page_files["index.html"], request)

    @routes.api_route(f"/{FOLDER}/{{path:path}}", methods=["GET", "HEAD"])
    async def asset(request: Request, path: str) -> Response:
        found = page_files.get(path)
        if found is None:
            raise NotFoundError("The page has no such file.")
        return _send(found, request)

    @routes.get(PROBE)
    async def alive() -> dict[str, str]:
        return {"status": "ok"}

    return routes


def _send(asset: Asset, request: Request) -> Response:
    headers = request.headers
    answer = asset.answer(headers.get("if-none-match", ""), headers.get("accept-encoding", ""))
    return Response(answer.body, answer.status, answer.headers)
