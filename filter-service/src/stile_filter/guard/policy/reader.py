"""Makes the rules of a policy: reads the files that they name, and checks what they say."""

import hashlib
import re
from collections.abc import Sequence

from stile_filter.guard.keywords import Phrases, plain
from stile_filter.guard.policy.document import KeywordList, ScannerRule, Target
from stile_filter.guard.policy.files import Files, Location, PolicyFile
from stile_filter.guard.policy.rules import SECRETS, Scanner, targets
from stile_filter.guard.scanners.excepted import pattern_of

_PARTIAL_MATCH_TYPES = {"truncate_head_tail", "truncate_token_head_tail"}
_CUSTOM_TYPE = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")


class RuleReader:
    """Reads the rules of one policy.

    Each method raises ``PolicyError`` with the line of what is wrong.

    Args:
        file: the policy's.
        files: reads what it names.
    """

    def __init__(self, file: PolicyFile, files: Files) -> None:
        self._file = file
        self._files = files
        self._digest = hashlib.sha256(file.content)

    @property
    def hash(self) -> str:
        """Of the policy's file and all that was read until now."""
        return self._digest.hexdigest()

    def lines(self, location: Location, files: Sequence[str]) -> list[str]:
        """Read files of one phrase a line."""
        phrases: list[str] = []
        for index, file in enumerate(files):
            here = (*location, index)
            try:
                content = self._files.read(self._files.find(self._file.path.parent, file))
                lines = content.decode().splitlines()
            except (OSError, UnicodeDecodeError) as error:
                raise self._file.error(here, f"can't be read: {error}") from error
            # With its length, so that a line that moves from one file to another changes the hash.
            self._digest.update(len(content).to_bytes(8, "big") + content)
            phrases += [line for line in map(str.strip, lines) if line and not line.startswith("#")]
        return phrases

    def phrases(self, index: int, words: KeywordList) -> Phrases:
        """Read the phrases of a keyword list."""
        here = ("keywords", index)
        phrases = list(words.phrases)
        for phrase_index, phrase in enumerate(words.phrases):
            if not plain(phrase):
                raise self._file.error((*here, "phrases", phrase_index), "nothing visible to look for")
        phrases += self.lines((*here, "files"), words.files)
        if not phrases:
            raise self._file.error(here, "a list needs files or phrases")
        excepted = [*words.excepted, *self.lines((*here, "except_files"), words.except_files)]
        return Phrases(phrases, excepted, words.language, words.ordinary, words.names)

    def scanner(self, index: int, rule: ScannerRule) -> Scanner:
        """Read a scanner's rule: see whether its model is there."""
        here = ("input_scanners", index)
        params, is_there = dict(rule.params), True
        if not rule.type.isidentifier() and not _CUSTOM_TYPE.fullmatch(rule.type):
            raise self._file.error((*here, "type"), "an LLM-Guard scanner's name, or package.module:Class")
        if params.get("match_type") in _PARTIAL_MATCH_TYPES and rule.type == "PromptInjection":
            raise self._file.error(
                (*here, "params", "match_type"), "looks at a text's ends only; use full, sentence or chunks"
            )
        if params.get("model_path") is not None:
            folder = self._files.find(self._file.path.parent, str(params["model_path"]))
            is_there = (folder / "config.json").is_file()
            if not is_there and not rule.optional:
                raise self._file.error(
                    (*here, "params", "model_path"), f"no folder with a model's config.json: {folder}"
                )
            params["model_path"] = str(folder.resolve())
            if rule.optional:
                self._digest.update(f"{rule.type} {is_there}".encode())
        elif rule.optional:
            raise self._file.error((*here, "optional"), "only a scanner with a model_path can be optional")
        label = rule.type.rpartition(":")[2]
        return Scanner(
            id=rule.label,
            category=rule.category or re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", label).lower(),
            action=rule.action,
            type=rule.type,
            params=params,
            line=self._file.line(here),
            excepted=self._excepted(here, rule),
            is_there=is_there,
            **targets(rule.applies_to or _default_targets(rule)),
        )

    def _excepted(self, here: Location, rule: ScannerRule) -> tuple[str, ...]:
        phrases = [*rule.excepted, *self.lines((*here, "except_files"), rule.except_files)]
        for index, pattern in enumerate(rule.except_patterns):
            location = (*here, "except_patterns", index)
            try:
                matches_nothing = re.compile(pattern).search("")
            except re.error as error:
                raise self._file.error(location, f"no regular expression: {error}") from error
            if matches_nothing:
                raise self._file.error(location, "matches the empty text")
        return (*map(pattern_of, phrases), *rule.except_patterns)


def _default_targets(rule: ScannerRule) -> list[Target]:
    return [Target.PROMPT, Target.ANSWER] if rule.type in SECRETS else [Target.PROMPT]
