"""Formats in the OpenAPI document that Schemathesis does not know; SCHEMATHESIS_HOOKS names this module."""

import json

import schemathesis
from hypothesis import strategies as st

_PLAIN = (
    st.none()
    | st.booleans()
    | st.integers(-(10**9), 10**9)
    | st.text(st.characters(codec="utf-8"), max_size=8)
)

schemathesis.openapi.format(
    "json-object",
    st.dictionaries(st.text(st.characters(codec="utf-8"), max_size=5), _PLAIN, max_size=3).map(json.dumps),
)

# The model of the test's worker by each of its names, and one that no worker has.
schemathesis.openapi.format(
    "model-name", st.sampled_from(["smollm2", "SmolLM2:latest", "stile", "no-such-model"])
)
