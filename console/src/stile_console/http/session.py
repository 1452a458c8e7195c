"""``/api/session``: a token or an owner's key is exchanged for a session."""

import structlog
from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field
from starlette.datastructures import Headers
from starlette.responses import JSONResponse

from stile_console.access.gate import COOKIE, SIGN_IN, cookie_of
from stile_console.errors import FileError, SignInError
from stile_console.http.dependencies import services_of
from stile_runtime.api_keys import digest
from stile_runtime.installation import console_tokens

log = structlog.get_logger(__name__)

router = APIRouter()


class SignIn(BaseModel):
    """What opens a session: one of the two."""

    token: str | None = Field(None, max_length=200)
    key: str | None = Field(None, max_length=200)


@router.post(SIGN_IN)
def sign_in(request: Request, sent: SignIn) -> Response:
    """Open a session: a cookie, and the second secret in the body."""
    services = services_of(request)
    key_digest = None
    if sent.key is not None:
        key_digest = digest(sent.key.strip())
        if not services.owners.is_owner(key_digest):
            raise SignInError("This is not an owner's key. `stile keys add NAME --owner` makes one.")
    else:
        try:
            is_good = console_tokens.spend(services.settings.token_file, sent.token or "")
        except OSError as error:
            raise FileError(f"The file of tokens can't be changed: {error.strerror}") from error
        if not is_good:
            raise SignInError("This link was used already, or is too old. `stile console` prints a new one.")
    made = services.sessions.open(key_digest)
    log.info("signed_in", by="token" if key_digest is None else "key")
    response = JSONResponse({"proof": made.proof})
    response.set_cookie(COOKIE, made.cookie, httponly=True, samesite="strict", path="/")
    return response


@router.get(SIGN_IN, status_code=204)
def session() -> None:
    """Answer that there is a session; the gate has checked it."""


@router.delete(SIGN_IN, status_code=204)
def sign_out(request: Request, response: Response) -> None:
    """End the session."""
    services_of(request).sessions.close(cookie_of(Headers(scope=request.scope)))
    response.delete_cookie(COOKIE, path="/", httponly=True, samesite="strict")
