"""Trains the shipped weights: ``python train.py DATA``, with the folder that ``manifest.json`` describes."""

import argparse
import hashlib
import json
import sys
import zlib
from pathlib import Path

import numpy as np
from corpus import MEASURED_ONLY, Corpus, load_corpus
from fit import SEED, Head
from matrix import LEXICON_VALUE
from rows import HEADS
from sources import MANIFEST

from stile_filter.guard.trained.features import HASH_ROWS
from stile_filter.guard.trained.weights import ZERO

_PACKAGE = Path(__file__).parents[1] / "src/stile_filter/guard/trained/data"
_FALSE_ALARMS = {"injection": 0.005}
"""What share of harmless texts a head may fire on at 0.5, its threshold; of the others ``_MONITORED``."""
_MONITORED = 0.01
_REFUSING = ("injection",)
"""The heads that refuse by default."""
_CLIPPED = 99.995
"""Percentile of weights that a byte reaches; the few beyond would coarsen all others."""


def main() -> None:
    """Train, calibrate, pack, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, help="the folder with the public data sets")
    parser.add_argument("--out", type=Path, default=_PACKAGE, help="where weights and manifest go")
    arguments = parser.parse_args()
    corpus = load_corpus(arguments.data)
    heads = corpus.fit(HEADS)
    entries = []
    table = np.empty((len(next(iter(heads.values())).weights), len(HEADS)), dtype=np.uint8)
    for lane, name in enumerate(HEADS):
        head = heads[name]
        threshold = _threshold(corpus, head, name)
        ngram_scale = _pack(head.weights[:HASH_ROWS], table[:HASH_ROWS, lane])
        lexicon_scale = _pack(head.weights[HASH_ROWS:], table[HASH_ROWS:, lane])
        entries.append(
            {
                "name": name,
                "bias": round(head.bias - threshold, 6),
                "ngram_scale": ngram_scale,
                "lexicon_scale": lexicon_scale * LEXICON_VALUE,
            }
        )
    packed = zlib.compress(table.tobytes(), 9)
    arguments.out.mkdir(parents=True, exist_ok=True)
    (arguments.out / "weights.bin").write_bytes(packed)
    manifest = {
        "sha256": hashlib.sha256(packed).hexdigest(),
        "seed": SEED,
        "data_sha256": hashlib.sha256(MANIFEST.read_bytes()).hexdigest(),
        "heads": entries,
    }
    (arguments.out / "manifest.json").write_text(json.dumps(manifest, indent=1) + "\n", encoding="utf-8")
    sys.stdout.write(f"weights.bin: {len(packed)} bytes\n")


def _threshold(corpus: Corpus, head: Head, name: str) -> float:
    """Return the log-odds above which lie no more harmless texts than allowed.

    Neither of our own that the head did not see, nor of the questions that are only measured on. For a head
    that refuses by default, our own are those kept back and each line by a head that was fitted without it.
    """
    own = [corpus.scores(head, source, name, 0) for source in sorted(corpus.always_out - {MEASURED_ONLY})]
    if name in _REFUSING:
        own.append(corpus.unseen_harmless(name))
    questions = corpus.scores(head, MEASURED_ONLY, name, 0)
    share = 1 - _FALSE_ALARMS.get(name, _MONITORED)
    return max(float(np.quantile(scores, share)) for scores in (np.concatenate(own), questions))


def _pack(weights: np.ndarray, lane: np.ndarray) -> float:
    """Write weights as bytes around ``ZERO``; return what one step is worth."""
    scale = float(np.percentile(np.abs(weights[weights != 0]), _CLIPPED)) / 127
    lane[:] = np.clip(np.round(weights / scale), -127, 127) + ZERO
    return scale


if __name__ == "__main__":
    main()
