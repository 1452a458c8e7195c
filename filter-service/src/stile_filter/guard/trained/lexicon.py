"""Words that mean one thing in many languages: "ignore", "vergiss" and "忽略" are one class.

The lists lie in ``data/lexicon/``. A file holds several classes, each under its name in brackets, with a line
or two for each language, stems separated by commas. A stem matches at a word's beginning. It matches anywhere
if its script is written without spaces or, as Arabic, writes small words onto others. A stem with a full stop
behind it is a whole word. A phrase is several words, the last of which is a stem.
"""

from importlib.resources import files

from ahocorasick_rs import AhoCorasick, Implementation, MatchKind

from stile_filter.guard.trained.features import fold, sentences, unspaced

_FOLDER = files("stile_filter.guard.trained") / "data" / "lexicon"


class Lexicon:
    """Every class's stems in one automaton."""

    def __init__(self, classes: dict[str, list[str]]) -> None:
        self.names = sorted(classes)
        patterns: list[str] = []
        self._owners: list[int] = []
        for number, name in enumerate(self.names):
            for stem in sorted(set(classes[name])):
                patterns.append(_pattern(stem))
                self._owners.append(number)
        self._automaton = AhoCorasick(
            patterns, matchkind=MatchKind.Standard, implementation=Implementation.ContiguousNFA
        )

    def classes_of(self, words: list[str]) -> set[int]:
        """Return the numbers of the classes that a sentence's words belong to."""
        return self._classes_in(" ".join(words))

    def known(self, text: str) -> int:
        """Return how many classes a text without capitals and accents has words of."""
        return len(self._classes_in(text))

    def _classes_in(self, text: str) -> set[int]:
        found = self._automaton.find_matches_as_indexes(f" {text} ", overlapping=True)
        return {self._owners[pattern] for pattern, _, _ in found}


def load_lexicon() -> Lexicon:
    """Read the lists of ``data/lexicon/``.

    Raises:
        OSError: a list cannot be read.
    """
    classes: dict[str, list[str]] = {}
    for file in sorted(_FOLDER.iterdir(), key=lambda file: file.name):
        stems: list[str] = []
        for line in file.read_text(encoding="utf-8").splitlines():
            if line.startswith("["):
                stems = classes.setdefault(line.strip("[]"), [])
            elif line and not line.startswith("#"):
                stems += (stem.strip() for stem in line.split(",") if stem.strip())
    return Lexicon(classes)


def _pattern(stem: str) -> str:
    words = [word for sentence in sentences(fold(stem.removesuffix("."))) for word in sentence.words]
    pattern = " ".join(words)
    if unspaced(pattern[0]) or "\u0600" <= pattern[0] <= "\u06ff":
        return pattern
    return f" {pattern} " if stem.endswith(".") else f" {pattern}"
