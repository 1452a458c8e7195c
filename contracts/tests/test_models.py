"""A model's token: the end of the subject of each request that names the model."""

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
    """The worker reads the same fixture. If the two differed, a request would wait for ever."""
    assert models.token(entry["name"]) == entry["token"]


@given(NAMES, NAMES)
def test_a_token_names_one_model(one, other):
    """It can be a part of a subject. Two names share it only if nothing but their case differs."""
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
    """Other texts are refused."""
    assert not models.is_token(text)


@pytest.mark.parametrize(("name", "one"), [(None, False), ("", False), ("Stile", False), ("smollm2", True)])
def test_a_request_may_leave_the_model_open(name, one):
    """Without a name, and with ``stile``, any idle model answers."""
    assert models.names_one(name) is one
