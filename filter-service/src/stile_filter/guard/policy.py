"""What the owner allows: ``policy.yml``, typed. ``docs/policy.md`` describes every key."""

import hashlib
import re
from collections.abc import Sequence
from enum import StrEnum
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from stile_filter.errors import Fault, PolicyError
from stile_filter.guard.control_tokens import has_marker
from stile_filter.guard.keywords import KeywordMatcher, Phrases, plain
from stile_filter.guard.policy_file import Files, Location, PolicyFile, name
from stile_filter.guard.scanners.excepted import pattern_of
from stile_filter.guard.sections import ArchiveRules, PolicyTests

_Text = Annotated[str, Field(min_length=1)]
_Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")]

_PARTIAL_MATCH_TYPES = {"truncate_head_tail", "truncate_token_head_tail"}
_CUSTOM_TYPE = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")


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


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class KeywordList(_Section):
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


class ScannerRule(_Section):
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


class Topics(_Section):
    """What the model is told to talk about, and nothing else."""

    allow: Annotated[list[_Text], Field(min_length=1)]
    otherwise: _Text = "I can only help with the topics I was set up for."


class Refusals(_Section):
    """What a refused client reads if its request has no ``refusal_message``."""

    default: _Text = "This request can't be answered here."
    answer: _Text = "This answer can't be shown here."
    categories: dict[str, _Text] = {}


class Limits(_Section):
    """How much a request may hold, and a client ask; more is an error, nothing is cut."""

    prompt_chars: Annotated[int, Field(ge=1)] = 32768
    message_chars: Annotated[int, Field(ge=1)] = 32768
    messages: Annotated[int, Field(ge=1)] = 200
    schema_cost: Annotated[int, Field(ge=1)] = 500
    """Of all JSON Schemas of a request, in units of ``schema_cost``: one is about 2 ms of one slow core."""
    max_waiting_per_client: Annotated[int, Field(ge=1)] = 50
    """Of one client's requests, so that no client takes all the places in CHAT."""


class PolicyDocument(_Section):
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


class Rule(BaseModel):
    """What a finding is told by."""

    model_config = ConfigDict(frozen=True)

    id: str
    category: str
    action: Action
    on_prompts: bool = True
    on_answers: bool = False


FORGED = Rule(id="control_tokens", category="control_tokens", action=Action.REFUSE)
"""The built-in rule."""

RECITAL = Rule(
    id="system_prompt", category="system_prompt", action=Action.REFUSE, on_prompts=False, on_answers=True
)
"""The built-in rule of answers."""

_FORGED_REFUSAL = (
    "This request holds a control token of a language model. "
    "Put a space inside, for example `< |im_end|>`, to ask about it."
)


class Scanner(Rule):
    """A scanner rule, ready to be built in a child process."""

    type: str
    params: dict[str, Any]
    line: int
    excepted: tuple[str, ...] = ()
    """Patterns."""
    is_there: bool = True
    """False if it is optional and its model's folder is missing."""


class Policy:
    """A policy that can be used: files read, ids unique, scanners' folders there.

    Args:
        path: the policy's file.
        files: reads it, and what it names; knows afterwards whether one of them has changed.

    Raises:
        PolicyError: with file, line and reason of everything that is wrong.
    """

    def __init__(self, path: Path, files: Files | None = None) -> None:
        self._files = files or Files()
        self.file = PolicyFile(path, self._files)
        self._digest = hashlib.sha256(self.file.content)
        try:
            document = PolicyDocument.model_validate(self.file.data)
        except ValidationError as error:
            raise PolicyError(
                path,
                [
                    Fault(
                        self.file.line(fault["loc"]),
                        f"{name(fault['loc'])}: {fault['msg']}".removeprefix(": "),
                    )
                    for fault in error.errors(include_url=False)
                ],
            ) from error
        self.document = document
        self.keywords = [
            Rule(id=words.id, category=words.category, action=words.action, **_targets(words.applies_to))
            for words in document.keywords
            if words.action is not Action.OFF
        ]
        self.phrases = [
            self._phrases(index, words)
            for index, words in enumerate(document.keywords)
            if words.action is not Action.OFF
        ]
        self.everyday = frozenset(self._lines(("everyday_files",), document.everyday_files))
        scanners = [
            self._scanner(index, rule)
            for index, rule in enumerate(document.input_scanners)
            if rule.action is not Action.OFF
        ]
        self._unique_ids(scanners)
        self.absent = [rule.id for rule in scanners if not rule.is_there]
        """The optional scanners whose models are not there."""
        self.scanners = [rule for rule in scanners if rule.is_there]
        self.system_prompt = _system_prompt(document)
        if self.system_prompt and has_marker(self.system_prompt):
            where = "system_prompt" if has_marker(document.system_prompt or "") else "topics"
            raise self.file.error((where,), f"{where}: holds a control token; put a space inside it")
        self.own_prompt = document.system_prompt
        """Without the topics, which the model may name."""
        self.recital = None if document.recital is Action.OFF else document.recital
        self.control_tokens = document.control_tokens
        self.client_system = self._client_system(document)
        self.refusals = document.refusals
        self.limits = document.limits
        self.answer_tokens = document.answer_tokens
        self.scan_timeout = document.scan_timeout_seconds
        self.scan_processes = document.scan_processes
        self.scan_spares = document.scan_spares
        self.tests = document.tests
        self._known_rules()
        self.archive = document.archive
        self.hash = self._digest.hexdigest()
        """Over the file and its word lists."""
        self.version = self.hash[:12]

    @property
    def layers(self) -> list[str]:
        """Say which rules refuse, which are only watched, and which are off, a line each."""
        rules = [FORGED, *self.keywords, *self.scanners]
        named = {
            "on": [rule.id for rule in rules if rule.action is Action.REFUSE],
            "monitor": [rule.id for rule in rules if rule.action is Action.MONITOR],
            "off, no model": self.absent,
        }
        return [f"{state}: {', '.join(ids)}" for state, ids in named.items() if ids]

    @cached_property
    def matcher(self) -> KeywordMatcher:
        """Finds the phrases of all lists."""
        return KeywordMatcher(self.phrases, self.everyday)

    @property
    def checks_answers(self) -> bool:
        """Whether any rule applies to answers."""
        has_recital = self.own_prompt is not None and self.recital is not None
        return has_recital or any(rule.on_answers for rule in (*self.keywords, *self.scanners))

    def refusal(self, category: str) -> str:
        """Return what a client reads that was refused for ``category``."""
        built_in = _FORGED_REFUSAL if category == FORGED.category else self.refusals.default
        return self.refusals.categories.get(category, built_in)

    def _client_system(self, document: PolicyDocument) -> ClientSystem:
        if document.allow_system is None:
            return document.client_system
        if "client_system" in document.model_fields_set:
            raise self.file.error(
                ("allow_system",), "allow_system: leave it out; client_system is its new name"
            )
        return ClientSystem.ALLOW if document.allow_system else ClientSystem.FORBID

    def _phrases(self, index: int, words: KeywordList) -> Phrases:
        phrases = list(words.phrases)
        for phrase_index, phrase in enumerate(words.phrases):
            if not plain(phrase):
                where = ("keywords", index, "phrases", phrase_index)
                raise self.file.error(where, f"{name(where)}: nothing visible to look for")
        phrases += self._lines(("keywords", index, "files"), words.files)
        if not phrases:
            raise self.file.error(("keywords", index), f"keywords[{index}]: a list needs files or phrases")
        excepted = [*words.excepted, *self._lines(("keywords", index, "except_files"), words.except_files)]
        return Phrases(phrases, excepted, words.language, words.ordinary, words.names)

    def _lines(self, where: Location, files: Sequence[str]) -> list[str]:
        """Read files of one phrase a line."""
        phrases: list[str] = []
        for index, file in enumerate(files):
            here = (*where, index)
            try:
                content = self._files.read(self._files.find(self.file.path.parent, file))
                lines = content.decode().splitlines()
            except (OSError, UnicodeDecodeError) as error:
                raise self.file.error(here, f"{name(here)}: can't be read: {error}") from error
            # With its length, so that a line that moves from one file to another changes the hash.
            self._digest.update(len(content).to_bytes(8, "big") + content)
            phrases += [line for line in map(str.strip, lines) if line and not line.startswith("#")]
        return phrases

    def _scanner(self, index: int, rule: ScannerRule) -> Scanner:
        here = ("input_scanners", index)
        params, is_there = dict(rule.params), True
        if not rule.type.isidentifier() and not _CUSTOM_TYPE.fullmatch(rule.type):
            where: Location = (*here, "type")
            raise self.file.error(
                where, f"{name(where)}: an LLM-Guard scanner's name, or package.module:Class"
            )
        if params.get("match_type") in _PARTIAL_MATCH_TYPES and rule.type == "PromptInjection":
            where = (*here, "params", "match_type")
            raise self.file.error(
                where, f"{name(where)}: looks at a text's ends only; use full, sentence or chunks"
            )
        if params.get("model_path") is not None:
            where = (*here, "params", "model_path")
            folder = self._files.find(self.file.path.parent, str(params["model_path"]))
            is_there = (folder / "config.json").is_file()
            if not is_there and not rule.optional:
                raise self.file.error(where, f"{name(where)}: no folder with a model's config.json: {folder}")
            params["model_path"] = str(folder.resolve())
            if rule.optional:
                self._digest.update(f"{rule.type} {is_there}".encode())
        elif rule.optional:
            raise self.file.error(
                (*here, "optional"), f"{name(here)}: only a scanner with a model_path can be"
            )
        label = rule.type.rpartition(":")[2]
        return Scanner(
            id=rule.label,
            category=rule.category or re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", label).lower(),
            action=rule.action,
            type=rule.type,
            params=params,
            line=self.file.line(here),
            excepted=self._excepted(here, rule),
            is_there=is_there,
            **_targets(rule.applies_to or _default_targets(rule)),
        )

    def _excepted(self, here: Location, rule: ScannerRule) -> tuple[str, ...]:
        phrases = [*rule.excepted, *self._lines((*here, "except_files"), rule.except_files)]
        for index, pattern in enumerate(rule.except_patterns):
            where = (*here, "except_patterns", index)
            try:
                matches_nothing = re.compile(pattern).search("")
            except re.error as error:
                raise self.file.error(where, f"{name(where)}: no regular expression: {error}") from error
            if matches_nothing:
                raise self.file.error(where, f"{name(where)}: matches the empty text")
        return (*map(pattern_of, phrases), *rule.except_patterns)

    def _unique_ids(self, scanners: Sequence[Scanner]) -> None:
        seen = {FORGED.id, RECITAL.id}
        places = [
            (key, index)
            for key, actions in (
                ("keywords", [words.action for words in self.document.keywords]),
                ("input_scanners", [rule.action for rule in self.document.input_scanners]),
            )
            for index, action in enumerate(actions)
            if action is not Action.OFF
        ]
        for place, rule in zip(places, [*self.keywords, *scanners], strict=True):
            if rule.id in seen:
                raise self.file.error(
                    place, f"{name(place)}: a second rule of the id {rule.id!r}; give it its own"
                )
            seen.add(rule.id)

    def _known_rules(self) -> None:
        """Check that the rules that tests name are there, and refuse."""
        actions = {rule.id: rule.action for rule in [FORGED, *self.keywords, *self.scanners]}
        for index, test in enumerate(self.tests.refuse):
            if test.rule is None or actions.get(test.rule) is Action.REFUSE:
                continue
            where = ("tests", "refuse", index, "rule")
            reason = "only monitors" if test.rule in actions else "is not there"
            raise self.file.error(where, f"{name(where)}: the rule {test.rule!r} {reason}")


SECRETS = {"Credentials", "Secrets"}
"""The scanners that look for secrets."""


def _default_targets(rule: ScannerRule) -> list[Target]:
    return [Target.PROMPT, Target.ANSWER] if rule.type in SECRETS else [Target.PROMPT]


def _targets(applies_to: Sequence[Target]) -> dict[str, bool]:
    return {"on_prompts": Target.PROMPT in applies_to, "on_answers": Target.ANSWER in applies_to}


def _system_prompt(document: PolicyDocument) -> str | None:
    parts = [document.system_prompt] if document.system_prompt else []
    if document.topics:
        parts.append(
            "Talk about these topics only: "
            + "; ".join(document.topics.allow)
            + f". To anything else answer exactly: {document.topics.otherwise}"
        )
    return "\n\n".join(parts) or None
