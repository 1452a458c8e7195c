"""The weights' file: what it holds, and how it is read and checked."""

import hashlib
import json
import zlib
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable

from stile_filter.guard.trained.features import ROWS

DATA = files("stile_filter.guard.trained") / "data"
ZERO = 128
"""What a weight of 0 is stored as; a byte holds -127 to 127."""


class WeightsError(Exception):
    """The weights cannot be used: a file is missing, or is not the one that the manifest names."""


@dataclass(frozen=True, slots=True)
class Weights:
    """A byte for each row and head, and what turns sums of them into scores."""

    heads: tuple[str, ...]
    table: bytes
    """``ROWS`` times ``len(heads)`` bytes, row by row."""
    biases: tuple[float, ...]
    ngram_scales: tuple[float, ...]
    """What one step of a byte is worth in a row of n-grams, for each head."""
    lexicon_scales: tuple[float, ...]


def load_weights(folder: Traversable = DATA) -> Weights:
    """Read ``weights.bin`` and its ``manifest.json``.

    Raises:
        WeightsError: a file is missing or damaged, or the two do not belong together.
    """
    try:
        manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
        packed = (folder / "weights.bin").read_bytes()
    except (OSError, ValueError) as error:
        raise WeightsError(f"The trained check's weights cannot be read: {error}") from error
    if hashlib.sha256(packed).hexdigest() != manifest.get("sha256"):
        raise WeightsError("The trained check's weights.bin is not the file that its manifest names.")
    table = zlib.decompress(packed)
    heads = manifest["heads"]
    if len(table) != ROWS * len(heads):
        raise WeightsError("The trained check's weights were made for other features; train them again.")
    return Weights(
        heads=tuple(head["name"] for head in heads),
        table=table,
        biases=tuple(head["bias"] for head in heads),
        ngram_scales=tuple(head["ngram_scale"] for head in heads),
        lexicon_scales=tuple(head["lexicon_scale"] for head in heads),
    )
