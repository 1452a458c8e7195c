"""``/`` and ``/page/…``: the chat page, and all that it loads."""

from importlib.resources import files

from fastapi import APIRouter, Request, Response

from stile_gateway.errors import NotFoundError
from stile_runtime.web import assets
from stile_runtime.web.assets import Asset

FOLDER = "page"
CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    # Only DOMPurify turns text into markup; it makes the one policy of its name.
    "require-trusted-types-for 'script'; trusted-types dompurify"
)
_HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


def read_assets() -> dict[str, Asset]:
    """Read the page from the package: every file by its path under ``page/``."""
    return assets.read(files("stile_gateway") / FOLDER)


def router() -> APIRouter:
    """Make the page's routes, which are not in the API's document."""
    routes = APIRouter(include_in_schema=False)
    page_files = read_assets()

    @routes.api_route("/", methods=["GET", "HEAD"])
    async def page(request: Request) -> Response:
        return _send(page_files["index.html"], request)

    @routes.api_route(f"/{FOLDER}/{{path:path}}", methods=["GET", "HEAD"])
    async def asset(request: Request, path: str) -> Response:
        found = page_files.get(path)
        if found is None:
            raise NotFoundError("The page has no such file.")
        return _send(found, request)

    return routes


def _send(asset: Asset, request: Request) -> Response:
    headers = request.headers
    answer = asset.answer(headers.get("if-none-match", ""), headers.get("accept-encoding", ""))
    return Response(answer.body, answer.status, {**_HEADERS, **answer.headers})
