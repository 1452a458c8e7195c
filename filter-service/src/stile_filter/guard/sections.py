"""Sections of the policy that judge no request: its own tests, and the archive."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator

from stile_contracts import signing

MAX_TESTS = 500
"""Of each kind: they are run at every load."""
MAX_TEST_CHARS = 4000

_KEY_BYTES = 32

TestRole = Literal["user", "assistant", "system"]


class Section(BaseModel):
    """A part of the file, as it is written."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class PassTest(Section):
    """A text that must pass."""

    text: Annotated[str, Field(min_length=1, max_length=MAX_TEST_CHARS)]
    role: TestRole = "user"


class RefuseTest(PassTest):
    """A text that must be refused."""

    rule: Annotated[str, Field(min_length=1)] | None = None
    """The id of a rule that must find it; None: it does not matter which one does."""


def _as_test(written: Any) -> Any:  # noqa: ANN401 -- whatever YAML holds
    return {"text": written} if isinstance(written, str) else written


class PolicyTests(Section):
    """Texts that show what the policy is for. It is not used if it judges one of them otherwise."""

    refuse: Annotated[
        list[Annotated[RefuseTest, BeforeValidator(_as_test)]], Field(max_length=MAX_TESTS)
    ] = []
    let_pass: Annotated[
        list[Annotated[PassTest, BeforeValidator(_as_test)]], Field(max_length=MAX_TESTS, alias="pass")
    ] = []


class ArchiveRules(Section):
    """Which requests are kept, sealed to the owner's key."""

    keep: Literal["refused", "all"] = "refused"
    days: Annotated[int, Field(ge=1, le=3650)] = 30
    max_bytes: Annotated[int, Field(ge=100_000)] = 100_000_000
    """Of all files together; the oldest are deleted first."""
    key: str
    """The public half, base64url without padding; ``stile policy archive-key`` makes the pair."""

    @field_validator("key")
    @classmethod
    def _is_a_key(cls, key: str) -> str:
        try:
            raw = signing.decode(key)
        except ValueError as error:
            raise ValueError("no key: `stile policy archive-key` makes one") from error
        if len(raw) != _KEY_BYTES:
            raise ValueError(f"a key has {_KEY_BYTES} bytes, not {len(raw)}")
        return key
