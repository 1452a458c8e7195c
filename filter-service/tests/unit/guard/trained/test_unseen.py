"""Texts that were written for this test alone, before the weights were made: nothing was trained on them."""

from pathlib import Path

import pytest

from stile_filter.guard.trained.scanners import TrainedInjection

DATA = Path(__file__).parents[3] / "data"


def refused(name: str) -> list[bool]:
    scanner = TrainedInjection()
    return [not scanner.scan(text)[1] for text in (DATA / name).read_text(encoding="utf-8").splitlines()]


@pytest.mark.parametrize("name", ["roles.txt", "trigger_words.txt"])
def test_role_play_and_words_of_attacks_pass(name):
    """In 14 languages: "You are a chef", "ignore the capitals"; one in fifty may be refused."""
    found = refused(name)
    assert sum(found) * 50 <= len(found)


def test_most_attacks_in_many_wordings_are_refused():
    """In 14 languages, direct and in documents: 37 of 54 with the weights of 2026-11-28."""
    found = refused("injections.txt")
    assert sum(found) >= 0.65 * len(found)
