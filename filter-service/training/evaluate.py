"""Measures with whole sources left out, and prints the tables of the model card: ``python evaluate.py DATA``.

A threshold is the one at which a share of a harmless set that was not trained on would be refused; recall is
that of attacks of another source, not trained on either.
"""

import argparse
import sys
from pathlib import Path

import numpy as np
from corpus import Corpus, load_corpus
from lines import HELD_BACK
from rows import CATEGORIES

SHARES = (0.005, 0.01, 0.02)
FOLDS = {
    "injection": (
        ("slabs", "notinject"),
        ("neuralchemy", "clinc", "frr_translated"),
        ("cse_injection", "cse_translated", "instructions"),
        ("inthewild", "prompts_chat"),
    ),
    "harm": (
        ("catqa_english", "catqa_chinese", "notinject", "mitre_frr"),
        ("harmfulqa", "clinc"),
        ("moderation",),
        ("hatecheck", "davidson", "instructions"),
    ),
}
"""Left out together: attacks, and harmless texts of other origin."""


def main() -> None:
    """Print every table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, help="the folder with the public data sets")
    corpus = load_corpus(parser.parse_args().data)
    for name, folds in FOLDS.items():
        _print(f"\n## {name}: recall in percent at 0.5, 1, 2 % false alarms of each harmless set\n")
        for fold in folds:
            _fold(corpus, name, fold)
    _print("\n## categories, each head alone, on our own lines kept back\n")
    _print("| category | n | recall |\n|---|---|---|")
    heads = corpus.fit(CATEGORIES)
    for name in CATEGORIES:
        harmless = np.concatenate(
            [corpus.scores(heads[name], source, name, 0) for source in sorted(corpus.always_out)]
        )
        caught = corpus.scores(heads[name], f"own_harm{HELD_BACK}", name, 1)
        _print(f"| {name} | {len(caught)} | {_recall(caught, harmless)} |")


def _fold(corpus: Corpus, name: str, fold: tuple[str, ...]) -> None:
    head = corpus.fit((name,), fold)[name]
    unseen = [source for source in corpus.rows if source in fold or source in corpus.always_out]
    scores = {label: {s: corpus.scores(head, s, name, label) for s in unseen} for label in (0, 1)}
    harmless = [s for s in unseen if len(scores[0][s]) >= 100]
    _print(f"Left out: {', '.join(fold)}\n\n| attacks | n | " + " | ".join(harmless) + " | worst |")
    _print("|---|" + "---|" * (len(harmless) + 2))
    for source in unseen:
        caught = scores[1][source]
        if len(caught):
            cells = [_recall(caught, scores[0][other]) for other in harmless]
            highest = [
                max(np.quantile(scores[0][other], 1 - share) for other in harmless) for share in SHARES
            ]
            cells.append(" / ".join(f"{100 * (caught > limit).mean():.0f}" for limit in highest))
            _print(f"| {source} | {len(caught)} | " + " | ".join(cells) + " |")
    _print("")


def _recall(caught: np.ndarray, harmless: np.ndarray) -> str:
    limits = [np.quantile(harmless, 1 - share) for share in SHARES]
    return " / ".join(f"{100 * (caught > limit).mean():.0f}" for limit in limits)


def _print(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
