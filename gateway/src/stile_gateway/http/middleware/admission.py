"""Which requests are let in, and what each client may have at once."""

import math
from contextlib import ExitStack

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from structlog.contextvars import bind_contextvars

from stile_contracts import subjects
from stile_gateway.clients.callers import Caller, Callers
from stile_gateway.clients.slots import Slots
from stile_gateway.dialects.base import Dialects
from stile_gateway.errors import GatewayError, InvalidApiKeyError, InvalidHeaderError
from stile_runtime.web.hosts import HOST, Hosts

RATE_LIMIT = ("x-ratelimit-limit-requests", "x-ratelimit-remaining-requests", "x-ratelimit-reset-requests")
"""What is left of a key's minute, by OpenAI's names: how many requests it may have, how many are left, and
when all of them are there again."""
PROBES = frozenset({"/healthz", "/readyz", "/metrics"})
"""The addresses that monitoring asks every few seconds."""
_CALLER = "stile.caller"


class Admission:
    """Refuses requests before their body is read, and gives each other one a slot of its client's.

    ``PROBES`` need no slot and no name: monitoring is answered even if all slots are taken. They read no
    body and wait for nothing.

    Args:
        app: the application.
        callers: the clients, and what each may have.
        hosts: the names that requests without API keys may use.
        slots: for the requests.
        body_bytes: the bytes of their bodies, which are in memory until they are answered.
        dialects: the shapes of errors.
    """

    def __init__(  # noqa: PLR0913 -- each is one thing
        self,
        app: ASGIApp,
        *,
        callers: Callers,
        hosts: Hosts,
        slots: Slots,
        body_bytes: Slots,
        dialects: Dialects,
    ) -> None:
        self._app = app
        self._callers = callers
        self._hosts = hosts
        self._slots = slots
        self._body_bytes = body_bytes
        self._dialects = dialects

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or refuse it."""
        if scope["type"] != "http" or scope["path"] in PROBES:
            await self._app(scope, receive, send)
            return
        with ExitStack() as held:
            try:
                client = self._admit(scope, held)
            except GatewayError as error:
                bind_contextvars(code=error.code)
                await self._dialects.of(scope["path"]).error_response(error)(scope, receive, send)
                return

            async def last(message: Message) -> None:
                if message["type"] == "http.response.start":
                    self._tell_limit(scope, message)
                await send(message)
                if message["type"] == "http.response.body" and not message.get("more_body", False):
                    # A client that has the whole answer may ask again at once.
                    held.close()

            await self._app(scope, self._counted(client, held, receive), last)

    def _tell_limit(self, scope: Scope, start: Message) -> None:
        """Say in an answer's head what is left of the key's minute, after this request."""
        caller: Caller | InvalidApiKeyError = scope[_CALLER]
        if isinstance(caller, Caller) and (left := self._callers.left(caller)) is not None:
            headers = MutableHeaders(scope=start)
            values = (str(left.limit), str(left.remaining), f"{math.ceil(left.reset)}s")
            for name, value in zip(RATE_LIMIT, values, strict=True):
                headers[name] = value

    def _counted(self, client: str, held: ExitStack, receive: Receive) -> Receive:
        """Return ``receive`` with the body's bytes counted for ``client``, until ``held`` ends."""
        came = 0
        is_over = False

        def give() -> None:
            nonlocal is_over
            is_over = True
            self._body_bytes.give(client, came)

        held.callback(give)

        async def counted() -> Message:
            nonlocal came
            message = await receive()
            if not is_over and (body := message.get("body")):
                self._body_bytes.take(client, len(body))
                came += len(body)
            return message

        return counted

    def _admit(self, scope: Scope, held: ExitStack) -> str:
        headers = Headers(scope=scope)
        if not self._callers.need_keys and not self._hosts.are_own(headers.getlist(HOST)):
            raise InvalidHeaderError(
                "This name is not one of this machine's: set STILE_HOSTS to it, or ask for API keys.",
                param=HOST,
            )
        peer = scope["client"][0] if scope["client"] else "unknown"
        try:
            caller = self._callers.identify(headers, peer)
        except InvalidApiKeyError as error:
            # Some addresses need no key: the error is raised to those that read the caller.
            scope[_CALLER] = error
            nobody = f"{subjects.http_client(peer)} without a key"
            held.enter_context(self._slots.taken(nobody))
            return nobody
        scope[_CALLER] = caller
        if _may_last(scope):
            held.enter_context(self._callers.at_once(caller))
        held.enter_context(self._slots.taken(caller.client))
        return caller.client


def caller_of(scope: Scope) -> Caller:
    """Return the client of a request.

    Raises:
        InvalidApiKeyError: keys are asked for, and the client has sent no known one.
    """
    caller: Caller | InvalidApiKeyError = scope[_CALLER]
    if isinstance(caller, InvalidApiKeyError):
        raise caller
    return caller


def _may_last(scope: Scope) -> bool:
    """Tell whether the request asks or follows. A key that may do one at a time can still cancel it."""
    method, path = str(scope["method"]), str(scope["path"])
    if method == "POST":
        return not path.endswith("/cancel")
    return method == "GET" and path.startswith(("/chat/", "/v1/chat/", "/v1/responses/"))
