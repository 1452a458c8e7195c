"""What every message has in common, and the types that several use."""

from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field


def _integral(value: object) -> object:
    return int(value) if isinstance(value, float) and value.is_integer() else value


INTEGRAL = BeforeValidator(_integral)
"""Takes an integer as JSON Schema has it: ``7.0`` is one too. It stands after the bounds, which it would
otherwise hide from the schema."""


class Message(BaseModel):
    """A body: read strictly, unknown fields ignored."""

    model_config = ConfigDict(
        strict=True,
        extra="ignore",
        frozen=True,
        use_attribute_docstrings=True,
        serialize_by_alias=True,
    )


CallId = Annotated[str, Field(max_length=1024)]
"""Names a call of a tool, as the client chose. It may be any text, as the model never reads it: the filter
writes ids of its own into what it approves."""


FunctionName = Annotated[str, Field(min_length=1, max_length=200)]
