"""What Ollama's API says about models. What is not known has Ollama's own value for that, or is left out."""

import hashlib
from datetime import UTC, datetime, timedelta
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from stile_gateway.dialects.bodies import Part

VERSION = "0.12.11"
"""The release of Ollama whose API this is: clients compare it with the one that they need."""
_UNKNOWN_TIME = "0001-01-01T00:00:00Z"
"""Go's zero time, which Ollama writes where there is none."""
_FOR_EVER = timedelta(microseconds=(2**63 - 1) // 1000)
"""Go's longest duration, which Ollama adds for a model that stays loaded."""
_ARCHITECTURE = "stile"

ModelName = Annotated[
    str,
    Field(min_length=1, max_length=200, examples=["stile"], json_schema_extra={"format": "model-name"}),
]
"""The format says that not every text is a name: a worker must have the model."""


class Details(BaseModel):
    """What a model is made of; "" if it is not known."""

    parent_model: str = ""
    format: Literal["gguf"] = "gguf"
    """llama.cpp reads nothing else."""
    family: str = ""
    families: list[str] | None = None
    parameter_size: str = ""
    quantization_level: str = ""


class ListedModel(BaseModel):
    """A model that a worker has."""

    name: str
    model: str
    modified_at: str = _UNKNOWN_TIME
    size: int = 0
    """It is not known."""
    digest: str
    """Of the model's name: the gateway does not see its file."""
    details: Details = Details()


class LoadedModel(ListedModel):
    """The same model: it stays loaded."""

    expires_at: str
    size_vram: int = 0
    """It is not known."""
    context_length: int = 0
    """Tokens of a conversation with its answer; 0 if no worker tells."""


class ListedModels(BaseModel):
    """All of them."""

    models: list[ListedModel]


class LoadedModels(BaseModel):
    """All of them."""

    models: list[LoadedModel]


class ShowRequest(Part):
    """The body of ``POST /api/show``."""

    model_config = ConfigDict(
        json_schema_extra={
            "anyOf": [
                {"properties": {name: {"type": "string"}}, "required": [name]} for name in ("model", "name")
            ]
        },
    )

    model: ModelName | None = None
    name: ModelName | None = None
    """The older word for ``model``."""

    @model_validator(mode="after")
    def _names_a_model(self) -> Self:
        if not self.named:
            raise ValueError("model is missing")
        return self

    @property
    def named(self) -> str:
        """The model's name."""
        return self.model or self.name or ""


class ShownModel(BaseModel):
    """One model."""

    model_config = ConfigDict(protected_namespaces=())

    modelfile: str = ""
    parameters: str = ""
    template: str = ""
    details: Details = Details()
    model_info: dict[str, str | int] = {}
    capabilities: list[str] = ["completion"]
    modified_at: str = _UNKNOWN_TIME


class Version(BaseModel):
    """The API's version."""

    version: str = VERSION


def tagged(name: str) -> str:
    """Return a model's name as Ollama writes it."""
    return name if ":" in name else f"{name}:latest"


def listed(name: str) -> ListedModel:
    """Describe a model."""
    return ListedModel(name=tagged(name), model=tagged(name), digest=_digest(name))


def loaded(name: str, n_ctx: int | None) -> LoadedModel:
    """Describe a model with a context of ``n_ctx`` tokens as a loaded one."""
    until = (datetime.now(UTC) + _FOR_EVER).isoformat().replace("+00:00", "Z")
    return LoadedModel(
        name=tagged(name),
        model=tagged(name),
        digest=_digest(name),
        expires_at=until,
        context_length=n_ctx or 0,
    )


def shown(n_ctx: int | None, *, knows_tools: bool) -> ShownModel:
    """Describe what a model can do.

    Ollama's clients read ``general.architecture``, and then the length of the context under that name.
    llama.cpp does not tell the architecture.
    """
    info: dict[str, str | int] = {}
    if n_ctx is not None:
        info = {"general.architecture": _ARCHITECTURE, f"{_ARCHITECTURE}.context_length": n_ctx}
    return ShownModel(model_info=info, capabilities=["completion", *(["tools"] if knows_tools else [])])


def _digest(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()
