"""HEAD, answered wherever GET is: with the same head, and without a body."""

from starlette.types import ASGIApp, Message, Receive, Scope, Send


class HeadAsGet:
    """Hands a HEAD on as a GET, and ends it after the head.

    Args:
        app: the application.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await self._app(scope, receive, send)
            return

        async def head(message: Message) -> None:
            if message["type"] == "http.response.start":
                await send(message)
            else:
                await send({"type": "http.response.body", "body": b"", "more_body": False})
                raise _HeadSentError  # nothing more is of use: a stream would go on

        got = {**scope, "method": "GET"}
        try:
            await self._app(got, receive, head)
        except _HeadSentError:
            pass
        finally:
            scope.update((key, got[key]) for key in ("route", "path_params") if key in got)


class _HeadSentError(Exception):
    """The head was sent. It ends the rest of the answer, and is no error of the tree."""
