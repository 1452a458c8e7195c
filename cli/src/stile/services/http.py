"""HTTP by the standard library: importing httpx would take most of the time of a short command."""

import urllib.request
from collections.abc import Mapping
from http.client import HTTPException, HTTPResponse
from ipaddress import ip_address
from typing import NamedTuple
from urllib.parse import urlsplit

Faults = (OSError, HTTPException)
"""What ``get`` and ``send`` raise if nothing answers; ValueError if the address is none."""


class Answer(NamedTuple):
    """A whole answer."""

    status: int
    text: str


class ProxyError(Exception):
    """The proxy of ``HTTP_PROXY``, ``HTTPS_PROXY`` or ``ALL_PROXY`` can't be used."""


def get(url: str, *, seconds: float) -> Answer:
    """Get an address of this machine, without a proxy; an error's status is an answer, too."""
    with send(urllib.request.Request(url), seconds=seconds, proxies={}) as response:  # noqa: S310 -- http
        return Answer(response.status, response.read().decode(errors="replace"))


def send(
    request: urllib.request.Request, *, seconds: float, proxies: Mapping[str, str] | None = None
) -> HTTPResponse:
    """Send a request and return the answer, whatever its status; a redirection is not followed.

    Args:
        request: to ``http://`` or ``https://``.
        seconds: that the other side may be silent.
        proxies: by scheme; by default those of the environment, and none for this machine.

    Raises:
        OSError, HTTPException: nothing answers.
        ProxyError: the environment names a proxy that can't be used.
        ValueError: it is no address.
    """
    if urlsplit(request.full_url).scheme not in ("http", "https"):
        raise ValueError("an address begins with http:// or https://")
    chosen = _proxies(request.full_url) if proxies is None else dict(proxies)
    opener = urllib.request.build_opener(urllib.request.ProxyHandler(chosen), _EveryStatus)
    response: HTTPResponse = opener.open(request, timeout=seconds)
    return response


def is_here(url: str) -> bool:
    """Return whether an address is this machine's: requests to it use no proxy."""
    host = urlsplit(url).hostname or ""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def _proxies(url: str) -> dict[str, str]:
    if is_here(url):
        return {}
    found = urllib.request.getproxies()
    scheme = urlsplit(url).scheme
    proxy = found.get(scheme) or found.get("all")
    if proxy is None:
        return {}
    if not proxy.startswith(("http://", "https://")) and "://" in proxy:
        raise ProxyError(f"no proxy of the kind {proxy.partition('://')[0]} can be used")
    return {scheme: proxy}


class _EveryStatus(urllib.request.HTTPErrorProcessor):
    """Returns an answer whatever its status: a redirection would lead a key to another address."""

    def http_response(self, request: urllib.request.Request, response: HTTPResponse) -> HTTPResponse:  # noqa: ARG002
        """Return the answer."""
        return response

    https_response = http_response
