"""The signing key of the contract's fixture, and a file that holds it."""

import json
from pathlib import Path

from stile_contracts import signing

FIXTURE = json.loads(
    (Path(__file__).parents[3] / "contracts" / "fixtures" / "v1" / "signature.json").read_text()
)
OTHER_SEED = signing.encode(bytes(range(32)))


def put(path: Path, text: str) -> None:
    """Replace the file at once, as ``stile keys rotate-signing`` does."""
    draft = path.with_suffix(".new")
    draft.write_text(text)
    draft.replace(path)
