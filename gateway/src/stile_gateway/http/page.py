"""``/`` and ``/page/…``: the chat page, and all that it loads."""

import gzip
import hashlib
from collections.abc import Iterator
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import NamedTuple

from fastapi import APIRouter, Request, Response

from stile_gateway.errors import NotFoundError

FOLDER = "page"
_MEDIA_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".mjs": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
"""What is served, by its suffix. Licences and notes are not."""

CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    # Only DOMPurify turns text into markup; it makes the one policy of its name.
    "require-trusted-types-for 'script'; trusted-types dompurify"
)
_HEADERS = {
    # A browser asks at each load, and gets a file again only if it has changed: the addresses stay the same.
    "Cache-Control": "no-cache",
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


class Asset(NamedTuple):
    """One file of the page, ready to be sent."""

    body: bytes
    compressed: bytes
    """``body`` by gzip, which every browser takes."""
    media_type: str
    etag: str
    """A digest of the bytes, so that no release is taken for another."""


def read_assets() -> dict[str, Asset]:
    """Read the page from the package: every file by its path under ``page/``.

    They are few and small, so they are kept in memory. A path that a client invents opens no file.
    """
    return dict(_walk(files("stile_gateway") / FOLDER, ""))


def _walk(folder: Traversable, prefix: str) -> Iterator[tuple[str, Asset]]:
    for entry in folder.iterdir():
        path = prefix + entry.name
        if entry.is_dir():
            yield from _walk(entry, f"{path}/")
            continue
        media_type = _MEDIA_TYPES.get("." + entry.name.rpartition(".")[2])
        if media_type is not None:
            body = entry.read_bytes()
            etag = f'W/"{hashlib.sha256(body).hexdigest()[:32]}"'
            # `mtime` is in the bytes, and would make each start's differ.
            yield path, Asset(body, gzip.compress(body, mtime=0), media_type, etag)


def router() -> APIRouter:
    """Make the page's routes, which are not in the API's document."""
    routes = APIRouter(include_in_schema=False)
    assets = read_assets()

    @routes.api_route("/", methods=["GET", "HEAD"])
    async def page(request: Request) -> Response:
        return _send(assets["index.html"], request)

    @routes.api_route(f"/{FOLDER}/{{path:path}}", methods=["GET", "HEAD"])
    async def asset(request: Request, path: str) -> Response:
        found = assets.get(path)
        if found is None:
            raise NotFoundError("The page has no such file.")
        return _send(found, request)

    return routes


def _send(asset: Asset, request: Request) -> Response:
    headers = {**_HEADERS, "ETag": asset.etag, "Vary": "Accept-Encoding"}
    if _is_known(asset.etag, request.headers.get("if-none-match", "")):
        return Response(status_code=304, headers=headers)
    if _takes_gzip(request.headers.get("accept-encoding", "")):
        headers["Content-Encoding"] = "gzip"
        return Response(asset.compressed, headers=headers, media_type=asset.media_type)
    return Response(asset.body, headers=headers, media_type=asset.media_type)


def _is_known(etag: str, known: str) -> bool:
    """Compare weakly, as in RFC 9110, section 13.1.2."""
    tags = {tag.strip().removeprefix("W/") for tag in known.split(",")}
    return etag.removeprefix("W/") in tags or "*" in tags


def _takes_gzip(accepted: str) -> bool:
    """Read an ``Accept-Encoding`` (RFC 9110, section 12.5.3); a weight of 0 is a no."""
    for coding in accepted.split(","):
        name, _, weight = coding.partition(";")
        if name.strip().lower() == "gzip":
            return weight.replace(" ", "").lower() not in {"q=0", "q=0.0", "q=0.00", "q=0.000"}
    return False
