"""The check of an answer: what a worker asks a filter while the model writes, and the reply."""

from enum import StrEnum
from typing import Annotated, Self
from uuid import UUID

from pydantic import Field, model_validator

from stile_contracts.messages.base import Message
from stile_contracts.messages.reply import Refusal


class AnswerKind(StrEnum):
    """What a text of an answer is."""

    CONTENT = "content"
    REASONING = "reasoning"
    CALL = "call"
    """The name and the arguments of one call of a tool."""


class AnswerPart(Message):
    """One text of an answer: what is not released yet, with enough of what is before it."""

    kind: Annotated[AnswerKind, Field(strict=False)]
    text: str
    offset: Annotated[int, Field(ge=0)] = 0
    """Characters of the answer that are before ``text`` and are left out."""
    released: Annotated[int, Field(ge=0)] = 0
    """Characters at the beginning of ``text`` that were released before."""
    closed: bool = False
    """Whether the text ends here, as far as the worker knows: nothing may be held back."""

    @model_validator(mode="after")
    def _has_what_was_released(self) -> Self:
        if self.released > len(self.text):
            raise ValueError("released is more than the text has")
        return self


class AnswerCheck(Message):
    """The request for a check. A filter keeps nothing between two of them."""

    id: UUID
    seq: Annotated[int, Field(ge=0)]
    """The number of this check of the answer, from 0."""
    model: str | None = None
    client: str | None = None
    """Set if the answer has ended, and ``parts`` are its whole texts, which may be sent: then the filter does
    not judge them. It remembers that this client has received them."""
    parts: list[AnswerPart] = Field(min_length=1)


class AnswerVerdict(Message):
    """The reply to a check."""

    release: list[Annotated[int, Field(ge=0)]] = Field(default_factory=list)
    """For each part: characters from the beginning of its text that may be sent."""
    refusal: Refusal | None = None
    """Set if the answer is refused; nothing more may be sent then."""
    response: str | None = None
    """The policy's text of the refusal."""
    rule: str | None = None
    """If the answer is refused: the policy's rule, for the log of what happened."""
    view: str | None = None
    """If a keyword was found: in which way of reading the text, for the log of what happened."""
    failed: bool = False
    """Whether a check could not be made; it may be asked for again."""
