"""Ollama's ``options``, ``format`` and ``keep_alive`` in Stile's terms."""

import re
from typing import Annotated, Any, Literal

from pydantic import Field

from stile_contracts.messages import INTEGRAL
from stile_gateway.dialects.bodies import MAX_TOKENS, Part

_SEEDS = 2**32
"""llama.cpp's seeds have 32 bits, and so much of a larger number counts."""
_NO_DURATION = re.compile(r"\+?0+(?:\.0*)?(?:ns|us|µs|ms|s|m|h)?")

_Stop = Annotated[str, Field(min_length=1, max_length=200)]
_Integer = Annotated[int, INTEGRAL]


class Options(Part):
    """The parameters of a model. Those of its server (``num_ctx``, ``num_gpu`` …) are left aside."""

    num_predict: _Integer | None = None
    """The limit of the answer, in tokens; 0 or less is none."""
    temperature: Annotated[float, Field(ge=0, le=5)] | None = None
    top_k: Annotated[int, Field(ge=-1, le=1_000_000), INTEGRAL] | None = None
    """0 or -1: every token is considered."""
    top_p: Annotated[float, Field(ge=0, le=1)] | None = None
    min_p: Annotated[float, Field(ge=0, le=1)] | None = None
    typical_p: Annotated[float, Field(ge=0, le=1)] | None = None
    repeat_penalty: Annotated[float, Field(ge=0, le=10)] | None = None
    repeat_last_n: Annotated[int, Field(ge=-1, le=1_000_000), INTEGRAL] | None = None
    presence_penalty: Annotated[float, Field(ge=-2, le=2)] | None = None
    frequency_penalty: Annotated[float, Field(ge=-2, le=2)] | None = None
    seed: _Integer | None = None
    """Below 0: a new one for each request."""
    stop: Annotated[list[_Stop], Field(max_length=16)] | None = None

    def sampling(self) -> dict[str, Any]:
        """Return them by the names of ``Sampling``."""
        same = self.model_dump(exclude={"num_predict", "seed", "top_k"}, exclude_none=True)
        if self.num_predict is not None and self.num_predict > 0:
            same["max_tokens"] = min(self.num_predict, MAX_TOKENS)
        if self.seed is not None and self.seed >= 0:
            same["seed"] = self.seed % _SEEDS
        if self.top_k is not None:
            same["top_k"] = max(self.top_k, 0)
        return same


Format = Literal["", "json"] | dict[str, Any]
"""What the answer must be: any text, JSON, or what fits a JSON Schema."""
KeepAlive = str | float
"""How long the model stays loaded: a duration (``5m``), or seconds. Stile's models always do."""


def response_format(asked: Format | None) -> dict[str, Any] | None:
    """Return ``format`` as a ``ResponseFormat``."""
    if isinstance(asked, dict):
        return {"type": "json_schema", "json_schema": {"schema": asked}}
    return {"type": "json_object"} if asked else None


def thinking(*, think: bool | str | None) -> dict[str, Any]:
    """Return ``think`` as the fields of a ``ChatRequest``."""
    if think is None:
        return {}
    effort = {"reasoning_effort": think} if isinstance(think, str) else {}
    return {**effort, "chat_template_kwargs": {"enable_thinking": bool(think)}}


def unloads(keep_alive: KeepAlive | None) -> bool:
    """Tell whether the model is not to stay loaded at all."""
    if isinstance(keep_alive, str):
        return _NO_DURATION.fullmatch(keep_alive) is not None
    return keep_alive == 0
