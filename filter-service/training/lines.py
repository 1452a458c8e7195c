r"""Reads Stile's own lines, in ``lines/``.

A line is ``label|text``: ``x`` an injection, ``o`` harmless, or one or more categories of harm with commas
between. ``\n`` in a text is a line's end. ``## theme`` begins a theme; one written ``## !theme`` is held
back from training, whole, and measured on.
"""

from collections.abc import Iterator
from pathlib import Path

from rows import CATEGORIES, Row, attack, harmful, harmless

FOLDER = Path(__file__).with_name("lines")
HELD_BACK = "_held_back"


def read_lines() -> dict[str, list[Row]]:
    """Return the rows by source: the kind's folder, with ``_held_back`` for what is kept out of training."""
    sources: dict[str, list[Row]] = {}
    for folder in sorted(FOLDER.iterdir()):
        for path in sorted(folder.glob("*.txt")):
            for row in _rows(path, f"own_{folder.name}"):
                sources.setdefault(row.source, []).append(row)
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
