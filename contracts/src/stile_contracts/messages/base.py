"""The base of every message, and the types that several messages use."""

from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field


def _integral(value: object) -> object:
    return int(value) if isinstance(value, float) and value.is_integer() else value


INTEGRAL = BeforeValidator(_integral)
"""Accepts an integer as JSON Schema defines it: ``7.0`` is one, too. Put it after the bounds;
before them, it would hide them from the schema."""


class Message(BaseModel):
    """The body of a message. It is read strictly, and unknown fields are ignored."""

    model_config = ConfigDict(
        strict=True,
        extra="ignore",
        frozen=True,
        use_attribute_docstrings=True,
        serialize_by_alias=True,
    )


CallId = Annotated[str, Field(max_length=16384)]
"""The id of a tool call. The client may choose any text, because the model never reads it: the
filter replaces it in the approval."""


FunctionName = Annotated[str, Field(min_length=1, max_length=200)]
