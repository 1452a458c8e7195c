"""The log of what happened: one record for each request that has ended."""

from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field

from stile_contracts.messages.base import Message
from stile_contracts.subjects import Lane


class LogRecord(Message):
    """The facts about one request that has ended. It contains no text of the request or the answer."""

    id: UUID
    at_ms: Annotated[int, Field(ge=0)]
    """When the request ended: milliseconds since the Unix epoch, by the writer's clock."""
    client: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
    lane: Annotated[Lane, Field(strict=False)]
    model: str | None = None
    """The model that answered, or that the request named. Absent if no worker has had it, because a
    name that no worker knows may be any text."""
    outcome: Annotated[str, Field(pattern=r"^[a-z_]{1,64}$")]
    """``answered``, ``refused``, ``cancelled``, or the code of another error."""
    place: str | None = None
    """Of a refusal: the location of the refused text, as in ``Refusal``: ``answer`` if it was the
    model's answer."""
    rule: str | None = None
    """The policy's rule that refused, or that could not be checked."""
    view: str | None = None
    """Of a keyword: in which way of reading the text it was found. It is for the owner only."""
    wait_seconds: Annotated[float, Field(ge=0)] | None = None
    """Seconds from the acceptance to the last start; absent if no worker has taken the request."""
    answer_seconds: Annotated[float, Field(ge=0)] | None = None
    """Seconds from the last start to the end; absent if the model was not called."""
    prompt_tokens: Annotated[int, Field(ge=0)] | None = None
    """As llama.cpp counts them; absent if the answer did not come to its end."""
    answer_tokens: Annotated[int, Field(ge=0)] | None = None
    """As llama.cpp counts them; absent if the answer did not come to its end."""
    attempt: Annotated[int, Field(ge=0)]
    """How often a worker had taken it; 0 if none had."""
    part: Literal["filter", "consumer"]
    """Who wrote the record."""
