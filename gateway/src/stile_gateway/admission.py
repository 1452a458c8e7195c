"""Whose request it is, and whether there is room for it: decided on its head, as pure ASGI middleware."""

from contextlib import ExitStack

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from stile_contracts import subjects
from stile_gateway.callers import Caller, Callers
from stile_gateway.errors import GatewayError, InvalidApiKeyError
from stile_gateway.hosts import Hosts
from stile_gateway.note import PROBES, note_of
from stile_gateway.responses import ErrorResponse
from stile_gateway.slots import Slots

_KEY = "stile.caller"


class Admission:
    """Turns requests away before their body is read, and gives each that is let in a slot of its client's.

    The addresses of ``PROBES`` are outside of it: whoever watches the gateway is answered while all slots are
    taken, and by whatever name it asks. They read no body and wait for nothing.

    Args:
        app: what answers.
        callers: who may ask, and how much.
        hosts: the names that count where no key is asked for.
        slots: for the requests.
        body_bytes: the bytes of their bodies, which are in memory until they are answered.
    """

    def __init__(self, app: ASGIApp, callers: Callers, hosts: Hosts, slots: Slots, body_bytes: Slots) -> None:
        self._app = app
        self._callers = callers
        self._hosts = hosts
        self._slots = slots
        self._body_bytes = body_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or turn it away."""
        if scope["type"] != "http" or scope["path"] in PROBES:
            await self._app(scope, receive, send)
            return
        with ExitStack() as held:
            try:
                client = self._admit(scope, held)
            except GatewayError as error:
                await ErrorResponse(error, note_of(scope))(scope, receive, send)
                return

            async def last(message: Message) -> None:
                await send(message)
                if message["type"] == "http.response.body" and not message.get("more_body", False):
                    # Whoever has the whole answer may ask again at once; a file is closed only after it.
                    held.close()

            await self._app(scope, self._counted(client, held, receive), last)

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
        if not self._callers.need_keys:
            self._hosts.check(headers.getlist("host"))
        peer = scope["client"][0] if scope["client"] else "unknown"
        try:
            caller = self._callers.identify(headers, peer)
        except InvalidApiKeyError as error:
            # Some addresses need no key: whoever reads the caller meets the error.
            scope[_KEY] = error
            nobody = f"{subjects.http_client(peer)} without a key"
            held.enter_context(self._slots.taken(nobody))
            return nobody
        scope[_KEY] = caller
        if _may_last(scope):
            held.enter_context(self._callers.at_once(caller))
        held.enter_context(self._slots.taken(caller.client))
        return caller.client


def caller_of(scope: Scope) -> Caller:
    """Return whose request it is.

    Raises:
        InvalidApiKeyError: a key is asked for, and none is there that is known.
    """
    caller: Caller | InvalidApiKeyError = scope[_KEY]
    if isinstance(caller, InvalidApiKeyError):
        raise caller
    return caller


def _may_last(scope: Scope) -> bool:
    """Tell whether the request asks or follows; a key that may do one at a time can still cancel that."""
    method, path = str(scope["method"]), str(scope["path"])
    return method == "POST" or (method == "GET" and path.startswith(("/chat/", "/v1/chat/")))
