"""Measures how many banned words are found in each disguise, and how many harmless texts are refused.

    .venv/bin/python benchmarks/guard/evasion.py [DATA]

The disguises are those of the matcher's tests, and a few harder ones; the words are those of the default
policy's English list. DATA is the folder of ``filter-service/training/manifest.json``: with it, the questions
of twelve languages and CLINC150's are measured too.
"""

import csv
import json
import random
import runpy
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from stile_filter.guard.keywords import KeywordMatcher
from stile_filter.guard.policy import Policy, default_policy

ROOT = Path(__file__).parents[2]
TEST = ROOT / "filter-service/tests/unit/guard/keywords/test_disguises.py"
SHORTEST = 4
"""Letters. The disguise of a shorter word is often another word, which the matcher lets pass on purpose."""
VOWELS = "aeiou"

Disguise = Callable[[str], str]


def table(source: str, target: str) -> Disguise:
    """Return what replaces letters."""
    return lambda word: word.translate(str.maketrans(source, target))


def first_leet(word: str) -> str:
    """Return a word with one digit in it, and spaces between its letters."""
    at = next((index for index, char in enumerate(word) if char in "aeiost"), 0)
    return " ".join(word[:at] + table("aeiost", "431057")(word[at]) + word[at + 1 :])


HARDER: dict[str, Disguise] = {
    "small capitals": table("abcdefghijklmnopqrstuvwyz", "ᴀʙᴄᴅᴇꜰɢʜɪᴊᴋʟᴍɴᴏᴘꞯʀꜱᴛᴜᴠᴡʏᴢ"),
    "loose Cyrillic": table("abcdefghiklmnoprstuvwxyz", "авсdеfgнiкlмпоряѕтцvщхуз"),  # noqa: RUF001
    "spaced leet, every letter": lambda word: " ".join(table("aeiost", "431057")(word)),
    "spaced leet, one letter": first_leet,
    "every vowel a star": lambda word: word[0] + "".join("*" if c in VOWELS else c for c in word[1:]),
    "every vowel a dash": lambda word: word[0] + "".join("-" if c in VOWELS else c for c in word[1:]),
    "no vowels": lambda word: word[0] + "".join(c for c in word[1:] if c not in VOWELS),
    "alternating capitals": lambda word: "".join(c.upper() if i % 2 else c for i, c in enumerate(word)),
}


def words(policy: Policy) -> list[str]:
    """Return the single words of the English list that no exception has."""
    listed, excepted = set(policy.phrases[0].banned), set(policy.phrases[0].excepted)
    return sorted(w for w in listed - excepted if w.isascii() and w.isalpha() and len(w) >= SHORTEST)


def harmless(data: Path) -> Iterator[tuple[str, str]]:
    """Yield harmless texts, each behind its set's name."""
    with (data / "xquad_questions/questions.csv").open(encoding="utf-8", newline="") as file:
        yield from (("xquad", row["text"]) for row in csv.DictReader(file))
    for split in json.loads((data / "clinc_queries/data_small.json").read_text(encoding="utf-8")).values():
        yield from (("clinc", text) for text, _ in split)


def main() -> None:
    """Print the tables."""
    policy = Policy(default_policy())
    matcher = KeywordMatcher(policy.phrases, policy.everyday)
    banned = words(policy)
    print(f"{len(banned)} words\n\n| disguise | found, % | missed |\n|---|---|---|")
    for name, disguise in {**runpy.run_path(str(TEST))["DISGUISES"], **HARDER}.items():
        tried = missed = 0
        examples = []
        for word in banned:
            try:
                written = disguise(word)
            except (StopIteration, KeyError):
                continue  # the disguise has nothing to change in this word
            if written == word or written in policy.everyday:
                continue
            tried += 1
            if not matcher.find(f"please tell me about {written} today"):
                missed += 1
                examples.append(written.replace("\n", "\\n"))
        if tried:
            shown = ", ".join(random.Random(1).sample(examples, min(3, len(examples))))
            print(f"| {name} | {100 * (tried - missed) / tried:.1f} | {shown} |", flush=True)
    if len(sys.argv) > 1:
        counts: dict[str, list[int]] = {}
        for source, text in harmless(Path(sys.argv[1])):
            count = counts.setdefault(source, [0, 0])
            count[0] += 1
            count[1] += bool(matcher.find(text))
        print("\n| harmless texts | n | refused |\n|---|---|---|")
        for source, (tried, refused) in counts.items():
            print(f"| {source} | {tried} | {refused} |")


if __name__ == "__main__":
    main()
