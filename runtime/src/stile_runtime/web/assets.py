"""The files of a page, ready to be sent: kept in memory, compressed once, known by a digest."""

import gzip
import hashlib
from collections.abc import Iterator
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import NamedTuple

MEDIA_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".mjs": "text/javascript; charset=utf-8",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".webmanifest": "application/manifest+json",
    ".woff2": "font/woff2",
}
"""What is served, by its suffix. Licences and notes are not."""
_SHARED = files("stile_runtime") / "web" / "look"
"""Colours, the choice of the theme, the icon."""
ASK_EACH_TIME = "no-cache"
"""A browser asks at each load, and gets a file again only if it has changed."""


class Answer(NamedTuple):
    """What is sent for one request."""

    status: int
    headers: dict[str, str]
    body: bytes


class Asset(NamedTuple):
    """One file of a page."""

    body: bytes
    compressed: bytes
    """``body`` by gzip, which every browser takes."""
    media_type: str
    etag: str
    """A digest of the bytes, so that no release is taken for another."""

    def answer(self, if_none_match: str, accept_encoding: str, cache_control: str = ASK_EACH_TIME) -> Answer:
        """Return the answer to a request with these two headers."""
        headers = {"Cache-Control": cache_control, "ETag": self.etag, "Vary": "Accept-Encoding"}
        if _is_known(self.etag, if_none_match):
            return Answer(304, headers, b"")
        headers["Content-Type"] = self.media_type
        if _takes_gzip(accept_encoding):
            return Answer(200, {**headers, "Content-Encoding": "gzip"}, self.compressed)
        return Answer(200, headers, self.body)


def read(folder: Traversable) -> dict[str, Asset]:
    """Read a page: every file by its path below ``folder``, and what the pages of Stile share."""
    return {path: asset(path, body) for path, body in bodies(folder).items()}


def bodies(folder: Traversable) -> dict[str, bytes]:
    """Read the bytes of a page and of what the pages share, in the order of their paths.

    They are few and small, so they are kept in memory. A path that a client invents opens no file.
    """
    return dict(sorted([*_walk(_SHARED, ""), *_walk(folder, "")]))


def asset(path: str, body: bytes) -> Asset:
    """Make a file ready to be sent."""
    etag = f'W/"{hashlib.sha256(body).hexdigest()[:32]}"'
    # `mtime` is in the bytes, and would make each start's differ.
    return Asset(body, gzip.compress(body, mtime=0), MEDIA_TYPES[_suffix(path)], etag)


def _walk(folder: Traversable, prefix: str) -> Iterator[tuple[str, bytes]]:
    for entry in folder.iterdir():
        path = prefix + entry.name
        if entry.is_dir():
            yield from _walk(entry, f"{path}/")
        elif _suffix(path) in MEDIA_TYPES:
            yield path, entry.read_bytes()


def _suffix(path: str) -> str:
    return "." + path.rpartition(".")[2]


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
