"""What is different between two policies, in words."""

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from stile_filter.guard.keywords import Phrases
from stile_filter.guard.policy import KeywordList, Policy, PolicyDocument, ScannerRule

_MAX_NAMED = 8
"""So many phrases are listed; of the others only the number is given."""

_APART = {"keywords", "input_scanners", "tests"}
"""Keys that are compared entry by entry."""


def changes(before: Policy, after: Policy) -> list[str]:
    """Return what has changed from one policy to another, a sentence each."""
    return [
        *_rules(before, after),
        *_settings(before.document, after.document),
        *_tests(before.document, after.document),
    ]


def _rules(before: Policy, after: Policy) -> Iterator[str]:
    old, new = _by_id(before), _by_id(after)
    for rule in [rule for rule in old if rule not in new]:
        yield f"rule {rule} is removed"
    for rule, (_, entry) in new.items():
        if rule not in old:
            yield f"rule {rule} is added: {_kind(entry)}, {entry.action}"
    for rule in [rule for rule in old if rule in new]:
        (words, entry), (other_words, other) = old[rule], new[rule]
        if isinstance(entry, KeywordList) is not isinstance(other, KeywordList):
            yield f"rule {rule}: {_kind(entry)} becomes {_kind(other)}"
            continue
        yield from (f"rule {rule}: {change}" for change in _fields(entry, other))
        if isinstance(entry, KeywordList):
            if words is None or other_words is None:
                continue
            yield from _phrases(f"rule {rule}", "phrase", words.banned, other_words.banned)
            yield from _phrases(f"rule {rule}", "exception", words.excepted, other_words.excepted)
    order = [rule for rule in old if rule in new]
    if order != [rule for rule in new if rule in old]:
        yield "the order of the rules has changed: the first rule that refuses gives the category"


def _by_id(policy: Policy) -> dict[str, tuple[Phrases | None, KeywordList | ScannerRule]]:
    """Return each rule's entry, and of a list of keywords that is on its phrases."""
    document = policy.document
    phrases = dict(zip([rule.id for rule in policy.keywords], policy.phrases, strict=True))
    rules: dict[str, tuple[Phrases | None, KeywordList | ScannerRule]] = {
        words.id: (phrases.get(words.id), words) for words in document.keywords
    }
    return rules | {entry.label: (None, entry) for entry in document.input_scanners}


def _kind(entry: KeywordList | ScannerRule) -> str:
    return "a keyword list" if isinstance(entry, KeywordList) else f"the scanner {entry.type}"


def _fields(entry: KeywordList | ScannerRule, other: KeywordList | ScannerRule) -> Iterator[str]:
    # What is in lists of phrases is compared with their files read.
    apart = {"id", "files", "phrases", "excepted", "except_files"}
    old, new = entry.model_dump(mode="json", exclude=apart), other.model_dump(mode="json", exclude=apart)
    yield from _values(old, new)


def _values(old: Mapping[str, Any], new: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    for key in dict.fromkeys([*old, *new]):
        was, now = old.get(key), new.get(key)
        if was == now:
            continue
        if isinstance(was, dict) and isinstance(now, dict):
            yield from _values(was, now, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}: {_in_words(was)} becomes {_in_words(now)}"


def _in_words(value: object) -> str:
    return "nothing" if value is None else str(value)


def _phrases(rule: str, what: str, old: Collection[str], new: Collection[str]) -> Iterator[str]:
    before, after = dict.fromkeys(old), dict.fromkeys(new)
    for verb, changed in (
        ("added", [phrase for phrase in after if phrase not in before]),
        ("removed", [phrase for phrase in before if phrase not in after]),
    ):
        if changed:
            named = ", ".join(map(repr, changed[:_MAX_NAMED]))
            more = f" and {len(changed) - _MAX_NAMED} more" if len(changed) > _MAX_NAMED else ""
            yield f"{rule}: {what}{'s' if len(changed) > 1 else ''} {verb}: {named}{more}"


def _settings(before: PolicyDocument, after: PolicyDocument) -> Iterator[str]:
    old = before.model_dump(mode="json", exclude=_APART)
    yield from _values(old, after.model_dump(mode="json", exclude=_APART))


def _tests(before: PolicyDocument, after: PolicyDocument) -> Iterator[str]:
    for kind, old, new in (
        ("refuse", before.tests.refuse, after.tests.refuse),
        ("pass", before.tests.let_pass, after.tests.let_pass),
    ):
        added = sum(test not in old for test in new)
        removed = sum(test not in new for test in old)
        if added or removed:
            yield f"tests.{kind}: {added} added, {removed} removed"
