"""The documents say what is so."""

import re
from pathlib import Path

import pytest

from stile_contracts.errors import ERRORS
from stile_gateway.settings import Settings
from stile_runtime.settings import variable

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "configuration.md").read_text()
SECTIONS = dict(section.split("\n", 1) for section in PAGE.split("\n## ")[1:])
ROWS = dict(
    re.findall(
        r"^\| `(STILE_\w+)` \| `?([^|`]*)`? \|",
        SECTIONS["Every service"] + SECTIONS["gateway"],
        re.MULTILINE,
    )
)


@pytest.mark.parametrize("field", Settings.model_fields)
def test_every_setting_is_documented_with_its_default(field):
    """A row for each field, and the default in it is the real one."""
    default = Settings.model_fields[field].default
    shown = "none" if default in {None, ()} else str(default)
    assert ROWS[variable(field)].strip() == shown


def test_the_table_of_errors_is_the_contracts():
    """Every code once, in the contract's order, with its status and finality."""
    rows = re.findall(r"^\| `(\w+)` \| (\d{3}) \| (yes|no) \|$", (DOCS / "api.md").read_text(), re.MULTILINE)
    assert rows == [
        (str(code), str(kind.status), "yes" if kind.final else "no") for code, kind in ERRORS.items()
    ]
