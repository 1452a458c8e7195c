"""The shipped policy for tests in which no scanner takes part."""

from pathlib import Path

import yaml

from harness.nats.bus import REPOSITORY


def unscanned(folder: Path, **limits: int) -> dict[str, str]:
    """Return the variable for a copy of the shipped policy in ``folder`` that has no scanners.

    A filter that has to start scanners is ready only after several seconds. ``limits`` are other limits than
    the shipped ones.
    """
    shipped = REPOSITORY / "filter-service" / "policy.yml"
    if not (wordlists := folder / "wordlists").exists():
        wordlists.symlink_to(shipped.with_name("wordlists"))
    policy = yaml.safe_load(shipped.read_text())
    del policy["input_scanners"], policy["tests"]  # some of the tests are the scanners'
    policy["limits"] |= limits
    file = folder / "unscanned.yml"
    file.write_text(yaml.safe_dump(policy, allow_unicode=True))
    return {"STILE_POLICY": str(file)}
