"""Which policy the filter of this installation gets."""

from pathlib import Path

import pytest

from stile.home import Home
from stile.services import policy
from stile.settings import Settings


@pytest.mark.parametrize(
    ("given", "handed_on"),
    [
        ("school", "school"),
        ("mine.yml", str(Path.cwd() / "mine.yml")),
        ("folder/mine", str(Path.cwd() / "folder/mine")),
    ],
)
def test_a_name_stays_a_name(tmp_path, given, handed_on):
    """The filter has policies that are chosen by name; a path is made absolute."""
    settings = Settings(policy=Path(given))
    assert policy.environment(settings, Home(tmp_path))["STILE_POLICY"] == handed_on
