r"""Reads Stile's own lines, in ``lines/``.

A line is ``label|text``: ``x`` an injection, ``o`` harmless, or one or more categories of harm with commas
between. ``\n`` in a text is a line's end. ``## theme`` begins a theme; one written ``## !theme`` is held
back from training, whole, and measured on.

In the folders that end in ``_patterns`` a line says several: ``[[a|b|c]]`` is one of the words between the
bars, and a sample of what the line can say is taken, always the same.
"""

import random
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from rows import CATEGORIES, Row, attack, harmful, harmless

FOLDER = Path(__file__).with_name("lines")
HELD_BACK = "_held_back"
_PATTERNS = "_patterns"
_CHOICE = re.compile(r"\[\[(.*?)\]\]", re.DOTALL)
_BAR = re.compile(r"(?<!\\)\|")
_MOST_SAID = 8
"""Of one pattern. More would say the same again."""
_PATTERN_WEIGHT = 3.0
"""What the texts of one pattern count together, in lines."""


def read_lines() -> dict[str, list[Row]]:
    """Return the rows by source: the kind's folder, with ``_held_back`` for what is kept out of training."""
    sources: dict[str, list[Row]] = {}
    for folder in sorted(FOLDER.iterdir()):
        for path in sorted(folder.glob("*.txt")):
            patterns = folder.name.endswith(_PATTERNS)
            for row in _rows(path, f"own_{folder.name}"):
                rows = _said(row) if patterns else [row]
                sources.setdefault(row.source, []).extend(rows)
    return sources


def _rows(path: Path, kind: str) -> Iterator[Row]:
    source = kind
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if line.startswith("## "):
            source = kind + HELD_BACK if line.startswith("## !") else kind
        elif line.strip():
            label, separator, text = line.partition("|")
            categories = tuple(label.split(","))
            text = text.replace("\\n", "\n").strip()
            if label == "x":
                yield attack(text, source)
            elif label == "o":
                yield harmless(text, source)
            elif separator and set(categories) <= set(CATEGORIES):
                yield harmful(text, source, categories, *({"crime"} - set(categories)))
            else:
                raise ValueError(f"{path.name}, line {number}: {label!r} is no label")


def _said(pattern: Row) -> list[Row]:
    """Return some of the texts that a pattern stands for."""
    chance = random.Random(pattern.text)
    texts = {_one_said(pattern.text, chance): None for _ in range(_MOST_SAID)}
    weight = pattern.weight * _PATTERN_WEIGHT / len(texts)
    return [replace(pattern, text=text, weight=weight) for text in texts]


def _one_said(pattern: str, chance: random.Random) -> str:
    return _CHOICE.sub(lambda found: chance.choice(_BAR.split(found[1])), pattern).replace("\\|", "|")
