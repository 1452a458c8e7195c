"""A model's token: what the requests that name it have at the end of their subjects."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stile_contracts import models

FIXTURE = json.loads((Path(__file__).parents[1] / "fixtures" / "v1" / "models.json").read_text())
NAMES = st.text(st.characters(codec="utf-8"), max_size=60)


@pytest.mark.parametrize("entry", FIXTURE, ids=lambda entry: entry["name"][:20])
def test_the_tokens_are_those_of_the_fixture(entry):
    """The consumer reads the same fixture; were the two different, a request would wait for ever."""
    assert models.token(entry["name"]) == entry["token"]


@given(NAMES, NAMES)
def test_a_token_names_one_model(one, other):
    """It can stand in a subject, and two names share one only where their case alone differs."""
    token = models.token(one)
    if token is not None:
        assert models.is_token(token)
        assert not set(token) & set(".*> \t\r\n")
    if token is not None and token == models.token(other):
        assert one.encode().lower() == other.encode().lower()


@pytest.mark.parametrize(
    "text", ["", "A", "a.b", "=", "=4", "=4a", "=4G", "a=", "*", ">", "é", "x" * 129, "a\n"]
)
def test_another_text_is_no_token(text):
    """What is none is not read as one."""
    assert not models.is_token(text)


@pytest.mark.parametrize(("name", "one"), [(None, False), ("", False), ("Stile", False), ("smollm2", True)])
def test_a_request_may_leave_the_model_open(name, one):
    """Without a name, and as ``stile``, whichever is idle answers."""
    assert models.names_one(name) is one
