"""Which requests are let in: to one of this machine's names, from the console's own page, with a session.

A request is refused before its body is read. What a page of another site can make a browser send:

- Its own name may lead here (DNS rebinding); a browser then sends that name in ``Host``.
- A page of another origin may send simple requests; a browser then sends ``Origin`` or ``Sec-Fetch-Site``.
- A page on another port of this machine gets the cookie along, but not the second secret (``sessions``).
"""

from http.cookies import CookieError, SimpleCookie
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from stile_console.access.owners import Owners
from stile_console.access.sessions import Sessions
from stile_console.errors import ConsoleError, OriginError, SignInError, TooLargeError
from stile_console.http.answers import error_response
from stile_runtime.api_keys import digest
from stile_runtime.web.hosts import Hosts

COOKIE = "stile_console"
PROOF = "Stile-Session"
API = "/api/"
SIGN_IN = "/api/session"
"""The one address under ``API`` that needs no session, if it is sent a POST."""
PROBE = "/healthz"
MAX_BODY_BYTES = 2 * 1024 * 1024
"""A policy with its word lists is far smaller."""

_NAVIGATION = ("navigate", "document")
"""``Sec-Fetch-Mode`` and ``Sec-Fetch-Dest`` of a link that a person follows."""


class Gate:
    """Refuses requests that do not come from an owner.

    Args:
        app: the application.
        hosts: the names that the console may be reached by.
        sessions: of browsers.
        owners: the owners' keys, which programs send.
    """

    def __init__(self, app: ASGIApp, hosts: Hosts, sessions: Sessions, owners: Owners) -> None:
        self._app = app
        self._hosts = hosts
        self._sessions = sessions
        self._owners = owners

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or refuse it."""
        if scope["type"] == "http":
            try:
                self._check(scope, Headers(scope=scope))
            except ConsoleError as error:
                await error_response(error)(scope, receive, send)
                return
        await self._app(scope, receive, send)

    def _check(self, scope: Scope, headers: Headers) -> None:
        path, method = str(scope["path"]), str(scope["method"])
        if path == PROBE:
            return
        self._check_origin(scope, headers)
        if method in {"POST", "PUT", "PATCH", "DELETE"}:
            _check_body(headers)
        if path.startswith(API) and (method, path) != ("POST", SIGN_IN) and not self._is_known(headers):
            raise SignInError("Open the console with a new link: `stile console` prints one.")

    def _check_origin(self, scope: Scope, headers: Headers) -> None:
        if not self._hosts.are_own(headers.getlist("host")):
            raise OriginError("This name is not one of this machine's: set STILE_CONSOLE_HOSTS to it.")
        origins = headers.getlist("origin")
        if origins and (len(origins) > 1 or not _is_same(origins[0], headers["host"])):
            raise OriginError("A page of another site may not use the console.")
        site = headers.get("sec-fetch-site", "none")
        if site not in {"none", "same-origin"}:
            kind = headers.get("sec-fetch-mode"), headers.get("sec-fetch-dest")
            if kind != _NAVIGATION or scope["method"] not in {"GET", "HEAD"} or scope["path"] != "/":
                raise OriginError("A page of another site may not use the console.")

    def _is_known(self, headers: Headers) -> bool:
        scheme, _, key = headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            return self._owners.is_owner(digest(key.strip()))
        return self._sessions.is_open(cookie_of(headers), headers.get(PROOF, ""))


def cookie_of(headers: Headers) -> str:
    """Return the session's cookie, or nothing."""
    try:
        found = SimpleCookie("; ".join(headers.getlist("cookie"))).get(COOKIE)
    except CookieError:
        return ""
    return found.value if found else ""


def _is_same(origin: str, host: str) -> bool:
    """Compare without the scheme, because a proxy may add TLS. No other site has this host and port."""
    try:
        parts = urlsplit(origin)
    except ValueError:
        return False
    return parts.scheme in {"http", "https"} and parts.netloc.lower() == host.lower()


def _check_body(headers: Headers) -> None:
    """Bound a body by its announced length. It must announce one, and the server reads no more than that."""
    length = headers.get("content-length", "0")
    if "transfer-encoding" in headers or not length.isdecimal() or int(length) > MAX_BODY_BYTES:
        raise TooLargeError(
            f"The body may have at most {MAX_BODY_BYTES} bytes, and its length must be in Content-Length."
        )
