"""What is wrong with a request's body, and this gateway's own limits of its content."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError

from stile_gateway.errors import InvalidHeaderError, InvalidRequestError

_ALTERNATIVE = re.compile(r"(?:constrained-)?str$|[A-Z]|\w+\[|[\w-]+\(")
"""What pydantic puts into a location to say which of several types it tried."""


@dataclass(frozen=True, slots=True)
class ContentLimits:
    """Limits of this gateway alone; None: no limit. The filter's policy has those of all (docs/adr/0028)."""

    prompt_chars: int | None = None
    message_chars: int | None = None
    messages: int | None = None

    def check(self, prompt: str | None, contents: Sequence[str | None]) -> None:
        """Hold a request to the limits.

        Args:
            prompt: the request's.
            contents: the text of each message.

        Raises:
            InvalidRequestError: it is over one; ``param`` is the field.
        """
        if self.messages is not None and len(contents) > self.messages:
            raise _over("messages", f"{self.messages} messages")
        if self.message_chars is not None:
            for index, content in enumerate(contents):
                if content is not None and len(content) > self.message_chars:
                    raise _over(f"messages[{index}].content", f"{self.message_chars} characters")
        if self.prompt_chars is not None and prompt is not None and len(prompt) > self.prompt_chars:
            raise _over("prompt", f"{self.prompt_chars} characters")


def _over(param: str, limit: str) -> InvalidRequestError:
    return InvalidRequestError(f"{param}: at most {limit}.", param=param)


def invalid_request(error: ValidationError) -> InvalidRequestError:
    """Translate what pydantic says of a body; the first fault is told, and nothing of the body."""
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    if first["type"] == "json_invalid":
        return InvalidRequestError("The body is not valid JSON.", param="body")
    param = _param(first["loc"])
    reason = first["msg"].removeprefix("Value error, ")
    return InvalidRequestError(f"{param}: {reason}", param=param)


def invalid_input(error: RequestValidationError) -> InvalidHeaderError | InvalidRequestError:
    """Translate what FastAPI says of a header, a query or a path; only the first fault is named."""
    first = error.errors()[0]
    kind, *location = first["loc"]
    param = _param(tuple(location))
    if kind == "header":
        return InvalidHeaderError(f"{param}: {first['msg']}.", param=param)
    return InvalidRequestError(f"{param}: {first['msg']}.", param=param)


def _param(location: tuple[int | str, ...]) -> str:
    """Write pydantic's location as a client would: ``messages[3].content``."""
    steps = (step for step in location if isinstance(step, int) or not _ALTERNATIVE.match(step))
    path = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in steps)
    return path.removeprefix(".") or "body"
