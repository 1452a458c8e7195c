"""The options that the owner's commands share."""

import pytest
import typer

from stile.commands.owner.options import period


@pytest.mark.parametrize(
    ("text", "seconds"), [("90m", 5400), ("12h", 43_200), ("7d", 604_800), ("2w", 1_209_600)]
)
def test_a_period_has_a_number_and_a_unit(text, seconds):
    """Minutes, hours, days, weeks."""
    assert period(text) == seconds


@pytest.mark.parametrize("text", ["", "7", "d", "1.5h", "-1d", "7 d", "7s"])
def test_anything_else_is_no_period(text):
    """It says what would be one."""
    with pytest.raises(typer.BadParameter, match="12h"):
        period(text)
