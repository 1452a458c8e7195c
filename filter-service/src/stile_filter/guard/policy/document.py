"""The policy as it is written: ``policy.yml``, typed. ``docs/policy.md`` describes every key."""

from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator

from stile_contracts import signing
from stile_contracts.messages import Trim

MAX_TESTS = 500
"""Of each kind: they are run at every load."""
MAX_TEST_CHARS = 4000

_KEY_BYTES = 32

_Text = Annotated[str, Field(min_length=1)]
_Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")]
TestRole = Literal["user", "assistant", "system"]


class Action(StrEnum):
    """What follows when a rule finds something."""

    REFUSE = "refuse"
    MONITOR = "monitor"
    """It is logged and counted, and the request goes on."""
    OFF = "off"
    """The rule is not asked."""


class Target(StrEnum):
    """What a rule applies to."""

    PROMPT = "prompt"
    """Every text of a request."""
    ANSWER = "answer"
    """What the model writes."""


class ClientSystem(StrEnum):
    """What becomes of the system messages of clients."""

    ALLOW = "allow"
    """They are scanned, and come after the policy's own system prompt."""
    FORBID = "forbid"
    AS_USER = "as_user"
    """They become messages of the user."""


class ControlTokens(StrEnum):
    """What follows when a client writes a marker of a chat template."""

    REFUSE = "refuse"
    NEUTRALISE = "neutralise"
    """In what is approved, each marker is broken, so that the model reads it as plain text."""


class InvisibleCharacters(StrEnum):
    """What becomes of invisible characters that mean nothing where they stand."""

    KEEP = "keep"
    CLEAN = "clean"
    """The model reads the text without them. Rules see it both ways."""


class Section(BaseModel):
    """A part of the file, as it is written."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class KeywordList(Section):
    """Words and phrases of one category."""

    id: _Name
    category: _Name
    action: Action = Action.REFUSE
    applies_to: list[Target] = [Target.PROMPT, Target.ANSWER]
    files: list[_Text] = []
    """Files of one phrase a line, relative to the policy; empty lines and lines with ``#`` are skipped."""
    phrases: list[_Text] = []
    excepted: Annotated[list[_Text], Field(alias="except")] = []
    """Phrases that are no hit after all, alone or around a banned one."""
    except_files: list[_Text] = []
    """Files of such phrases, in the form of ``files``."""
    language: Annotated[str, Field(pattern=r"^[a-z]{2,3}$")] | None = None
    """The list's language (ISO 639-1); its phrases count only in sentences of it."""
    ordinary: dict[Annotated[str, Field(pattern=r"^[a-z]{2,3}$")], list[_Text]] = {}
    """By language: phrases of the list that are everyday words there."""
    names: list[_Text] = []
    """Words of the list that are names too; they don't count if they are written as one: ``Dick Grayson``."""


class ScannerRule(Section):
    """One scanner, in the format of LLM-Guard's API server: its own, Stile's or the owner's."""

    type: _Text
    params: dict[str, Any] = {}
    id: _Name | None = None
    category: _Name | None = None
    action: Action = Action.REFUSE
    excepted: Annotated[list[_Text], Field(alias="except")] = []
    """Phrases that are no finding after all."""
    except_patterns: list[_Text] = []
    """Regular expressions of such texts."""
    except_files: list[_Text] = []
    """Files of such phrases, in the form of ``files``."""
    optional: bool = False
    """Without its model's folder the scanner is off, and that is no error."""
    applies_to: list[Target] | None = None
    """None: prompts, and of Credentials and Secrets answers as well."""

    @property
    def label(self) -> str:
        """What the rule is called: by its id, or else by its type."""
        return self.id or self.type.rpartition(":")[2]


class Topics(Section):
    """What the model is told to talk about, and nothing else."""

    allow: Annotated[list[_Text], Field(min_length=1)]
    otherwise: _Text = "I can only help with the topics I was set up for."


class Refusals(Section):
    """What a refused client reads if its request has no ``refusal_message``."""

    default: _Text = "This request can't be answered here."
    answer: _Text = "This answer can't be shown here."
    categories: dict[str, _Text] = {}


class Limits(Section):
    """How much a request may hold, and a client ask; more is an error, nothing is cut."""

    prompt_chars: Annotated[int, Field(ge=1)] = 32768
    message_chars: Annotated[int, Field(ge=1)] = 32768
    messages: Annotated[int, Field(ge=1)] = 200
    schema_cost: Annotated[int, Field(ge=1)] = 500
    """Of all JSON Schemas of a request, in units of ``schema_cost``: one is about 2 ms of one slow core."""
    max_waiting_per_client: Annotated[int, Field(ge=1)] = 50
    """Of one client's requests, so that no client takes all the places in CHAT."""


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
    """Texts that show what the policy is for. A policy that judges one of them differently is not used."""

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


class PolicyDocument(Section):
    """The file as it is written."""

    keywords: list[KeywordList] = []
    everyday_files: list[_Text] = []
    """Files of words that may stand beside one another, whatever they make when put together."""
    input_scanners: list[ScannerRule] = []
    system_prompt: _Text | None = None
    recital: Action = Action.REFUSE
    """What follows when an answer recites the system prompt."""
    topics: Topics | None = None
    client_system: ClientSystem = ClientSystem.ALLOW
    allow_system: bool | None = None
    """The older form of ``client_system``: ``allow`` or ``forbid``."""
    control_tokens: ControlTokens = ControlTokens.REFUSE
    trim: Trim = Trim.NONE
    invisible_characters: InvisibleCharacters = InvisibleCharacters.KEEP
    on_error: Literal["refuse"] = "refuse"
    """A scanner that fails is never a pass (docs/design.md), so there is no other value."""
    refusals: Refusals = Refusals()
    limits: Limits = Limits()
    answer_tokens: Annotated[int, Field(ge=1, le=1_000_000)] = 1024
    """Of one answer, at most: a model that finds no end would keep everybody else waiting."""
    scan_timeout_seconds: Annotated[float, Field(gt=0, le=600)] = 10
    scan_processes: Annotated[int, Field(ge=1, le=64)] = 1
    scan_spares: Annotated[int, Field(ge=0, le=64)] = 1
    tests: PolicyTests = PolicyTests()
    archive: ArchiveRules | None = None
