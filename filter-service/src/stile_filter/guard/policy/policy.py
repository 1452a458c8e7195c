"""A policy that can be used."""

from collections.abc import Iterable
from functools import cached_property
from pathlib import Path

from pydantic import ValidationError

from stile_filter.errors import PolicyError
from stile_filter.guard.control_tokens import has_marker
from stile_filter.guard.keywords import KeywordMatcher
from stile_filter.guard.policy.document import Action, ClientSystem, InvisibleCharacters, PolicyDocument
from stile_filter.guard.policy.files import Files, Location, PolicyFile
from stile_filter.guard.policy.reader import RuleReader
from stile_filter.guard.policy.rules import FORGED, RECITAL, Rule, targets

_FORGED_REFUSAL = (
    "This request holds a control token of a language model. "
    "Put a space inside, for example `< |im_end|>`, to ask about it."
)


class Policy:
    """A policy that can be used: files read, ids unique, scanners' folders there.

    Args:
        path: the policy's file.
        files: reads it, and what it names; knows afterwards whether one of them has changed.

    Raises:
        PolicyError: with file, line and reason of everything that is wrong.
    """

    def __init__(self, path: Path, files: Files | None = None) -> None:
        files = files or Files()
        self.file = PolicyFile(path, files)
        self.document = document = self._document()
        reader = RuleReader(self.file, files)
        lists = [
            (index, words) for index, words in enumerate(document.keywords) if words.action is not Action.OFF
        ]
        self.keywords = [
            Rule(id=words.id, category=words.category, action=words.action, **targets(words.applies_to))
            for _, words in lists
        ]
        self.phrases = [reader.phrases(index, words) for index, words in lists]
        self.everyday = frozenset(reader.lines(("everyday_files",), document.everyday_files))
        scanners = {
            index: reader.scanner(index, rule)
            for index, rule in enumerate(document.input_scanners)
            if rule.action is not Action.OFF
        }
        self._check_ids(
            [
                *((("keywords", index), words.id) for index, words in lists),
                *((("input_scanners", index), scanner.id) for index, scanner in scanners.items()),
            ]
        )
        self.absent = [rule.id for rule in scanners.values() if not rule.is_there]
        """The optional scanners whose models are not there."""
        self.scanners = [rule for rule in scanners.values() if rule.is_there]
        self.system_prompt = _system_prompt(document)
        if self.system_prompt and has_marker(self.system_prompt):
            key = "system_prompt" if has_marker(document.system_prompt or "") else "topics"
            raise self.file.error((key,), "holds a control token; put a space inside it")
        self.own_prompt = document.system_prompt
        """Without the topics, which the model may name."""
        self.recital = None if document.recital is Action.OFF else document.recital
        self.control_tokens = document.control_tokens
        self.cleans = document.invisible_characters is InvisibleCharacters.CLEAN
        """Whether the model reads texts without the invisible characters that mean nothing."""
        self.client_system = self._client_system()
        self.trim = document.trim
        self.refusals = document.refusals
        self.limits = document.limits
        self.answer_tokens = document.answer_tokens
        self.scan_timeout = document.scan_timeout_seconds
        self.scan_processes = document.scan_processes
        self.scan_spares = document.scan_spares
        self.tests = document.tests
        self._check_tests()
        self.archive = document.archive
        self.files = files.paths
        """All that were read or looked for."""
        self.hash = reader.hash
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

    def _document(self) -> PolicyDocument:
        try:
            return PolicyDocument.model_validate(self.file.data)
        except ValidationError as error:
            faults = [
                self.file.fault(fault["loc"], fault["msg"]) for fault in error.errors(include_url=False)
            ]
            raise PolicyError(self.file.path, faults) from error

    def _client_system(self) -> ClientSystem:
        document = self.document
        if document.allow_system is None:
            return document.client_system
        if "client_system" in document.model_fields_set:
            raise self.file.error(("allow_system",), "leave it out; client_system is its new name")
        return ClientSystem.ALLOW if document.allow_system else ClientSystem.FORBID

    def _check_ids(self, rules: Iterable[tuple[Location, str]]) -> None:
        """Check that each rule has an id of its own."""
        seen = {FORGED.id, RECITAL.id}
        for location, rule_id in rules:
            if rule_id in seen:
                raise self.file.error(location, f"a second rule of the id {rule_id!r}; give it its own")
            seen.add(rule_id)

    def _check_tests(self) -> None:
        """Check that the rules that tests name are there, and refuse."""
        actions = {rule.id: rule.action for rule in [FORGED, *self.keywords, *self.scanners]}
        for index, test in enumerate(self.tests.refuse):
            if test.rule is None or actions.get(test.rule) is Action.REFUSE:
                continue
            reason = "only monitors" if test.rule in actions else "is not there"
            raise self.file.error(("tests", "refuse", index, "rule"), f"the rule {test.rule!r} {reason}")


def _system_prompt(document: PolicyDocument) -> str | None:
    parts = [document.system_prompt] if document.system_prompt else []
    if document.topics:
        parts.append(
            "Talk about these topics only: "
            + "; ".join(document.topics.allow)
            + f". To anything else answer exactly: {document.topics.otherwise}"
        )
    return "\n\n".join(parts) or None
