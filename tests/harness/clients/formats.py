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
