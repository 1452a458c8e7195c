"""``/`` and ``/page/…``: the chat page, and all that it loads."""

import hashlib
import json
import re
from collections.abc import Mapping
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any, NamedTuple

from fastapi import APIRouter, Request, Response

from stile_gateway.errors import NotFoundError
from stile_runtime.web import assets
from stile_runtime.web.assets import ASK_EACH_TIME, Asset

FOLDER = "page"
SERVICE_WORKER = "install/service-worker.js"
STYLESHEET = "style.css"
CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; font-src 'self'; "
    "img-src 'self'; manifest-src 'self'; worker-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    # Only DOMPurify turns text into markup, and one module names the service worker: each by its own policy.
    "require-trusted-types-for 'script'; trusted-types dompurify stile-service-worker"
)
_NEVER_ASK = "public, max-age=31536000, immutable"
"""The address has the version of the page in it, so what is there does not change."""
_STYLESHEETS = re.compile(rb'(?:<link rel="stylesheet" href="page/[^"]+">\s*)+(?<!\s)')
_VERSIONED = re.compile(r"([0-9a-f]{16})/(.+)")
_HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


class Page(NamedTuple):
    """All files of the page."""

    version: str
    """16 hexadecimal digits: another one for any other bytes."""
    assets: Mapping[str, Asset]
    """Each by its path under ``page/``."""


def read_page(folder: Traversable = files("stile_gateway") / FOLDER) -> Page:  # noqa: B008 -- a constant
    """Read the page from the package."""
    bodies = assets.bodies(folder)
    digest = hashlib.sha256()
    for path, body in bodies.items():
        digest.update(path.encode() + b"\0" + hashlib.sha256(body).digest())
    version = digest.hexdigest()[:16]
    _join_stylesheets(bodies)
    # Modules name each other by relative paths, so all that the page loads is of this version.
    bodies["index.html"] = re.sub(
        rb'"page/([^"]+\.(?:css|js))"', rf'"page/{version}/\1"'.encode(), bodies["index.html"]
    )
    # Other bytes at each version: that is how a browser sees that there is a new one.
    stored = [path for path in bodies if path not in {"index.html", SERVICE_WORKER}]
    listing = f"const VERSION = {json.dumps(version)};\nconst FILES = {json.dumps(stored)};\n"
    bodies[SERVICE_WORKER] = listing.encode() + bodies[SERVICE_WORKER]
    return Page(version, {path: assets.asset(path, body) for path, body in bodies.items()})


def _join_stylesheets(bodies: dict[str, bytes]) -> None:
    """Make the document's stylesheets one file: a browser paints nothing before it has them all."""
    links = _STYLESHEETS.search(bodies["index.html"])
    if links is None:
        raise ValueError("index.html names no stylesheet")
    paths = [path.decode() for path in re.findall(rb'href="page/([^"]+)"', links[0])]
    bodies[STYLESHEET] = b"\n".join(bodies.pop(path) for path in paths)
    link = f'<link rel="stylesheet" href="page/{STYLESHEET}">'.encode()
    bodies["index.html"] = bodies["index.html"].replace(links[0], link)


def router(page: Page, limits: Mapping[str, Any]) -> APIRouter:
    """Make the page's routes, which are not in the API's document.

    Args:
        page: its files.
        limits: of a request. The page reads them, and checks a file before it is attached.
    """
    routes = APIRouter(include_in_schema=False)

    @routes.api_route("/", methods=["GET", "HEAD"])
    async def first(request: Request) -> Response:
        return _send(page.assets["index.html"], request, ASK_EACH_TIME)

    @routes.api_route(f"/{FOLDER}/limits.json", methods=["GET", "HEAD"])
    async def request_limits() -> Response:
        headers = {**_HEADERS, "Cache-Control": ASK_EACH_TIME}
        return Response(json.dumps(limits), headers=headers, media_type="application/json")

    @routes.api_route(f"/{FOLDER}/{{path:path}}", methods=["GET", "HEAD"])
    async def asset(request: Request, path: str) -> Response:
        versioned = _VERSIONED.fullmatch(path)
        # A page of an older version that is still open gets this version's file: better than none.
        found = page.assets.get(versioned[2] if versioned else path)
        if found is None:
            raise NotFoundError("The page has no such file.")
        is_fixed = versioned is not None and versioned[1] == page.version
        response = _send(found, request, _NEVER_ASK if is_fixed else ASK_EACH_TIME)
        if path == SERVICE_WORKER:
            response.headers["Service-Worker-Allowed"] = "../../"  # the whole page, not only its own folder
        return response

    return routes


def _send(asset: Asset, request: Request, cache_control: str) -> Response:
    headers = request.headers
    answer = asset.answer(headers.get("if-none-match", ""), headers.get("accept-encoding", ""), cache_control)
    return Response(answer.body, answer.status, {**_HEADERS, **answer.headers})
