"""Reads a JSON object so that every other reader of JSON understands it in the same way.

Readers differ if RFC 8259 leaves them a choice, or if they do not follow it: which of two equal
keys counts, what follows a NUL, whether a byte order mark is skipped, how large a number may be. A
text for two readers must contain none of these.
"""

import json
import math
import re
from collections.abc import Iterable
from typing import Any

import pydantic_core

MAX_DEPTH = 64
"""Levels of nested objects and arrays. serde_json reads 128, including those of the message around
it."""

NOT_JSON = "not valid JSON"

MAX_BODY_DEPTH = 120
"""Levels of a whole body: serde_json reads 127, and an approval puts one around a request's parts."""

_KINDS = bytes.maketrans(b"0123456789E", b"1111111111e")
_DOUBTFUL_NUMBERS = (b"1" * 300, b"e111", b"e+111")
"""What a number that does not fit a double has in it, once each digit is written as 1; a text may have it
too. A regular expression would take 35 ms for 900 kB, and hold the interpreter."""

_LITERAL_OR_BRACKET = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+"?|[\[{\]}]', re.DOTALL)


def check_body(body: bytes) -> None:
    """Check that a body is JSON that the worker can read as well.

    Raises:
        ValueError: it is not JSON, is deeper than ``MAX_BODY_DEPTH``, or has a number that does not
            fit a double. The message has nothing of the body in it.
    """
    try:
        pydantic_core.from_json(body, allow_inf_nan=False)
    except ValueError as error:
        if "recursion" in str(error):
            raise _too_deep(MAX_BODY_DEPTH) from None
        raise ValueError(NOT_JSON) from None
    if body.count(b"[") + body.count(b"{") > MAX_BODY_DEPTH:
        _check_depth(body.decode(), MAX_BODY_DEPTH)
    kinds = body.translate(_KINDS)
    if any(number in kinds for number in _DOUBTFUL_NUMBERS):
        json.loads(body, parse_float=_finite, parse_int=_within_double)


def read_object(text: str) -> dict[str, Any]:
    """Parse ``text``, which must be one JSON object and nothing else.

    Raises:
        ValueError: it is not, or readers may understand it differently: an object has the same key
            twice, a number does not fit a double, there is a lone surrogate, or it is deeper than
            ``MAX_DEPTH``.
    """
    _check_depth(text, MAX_DEPTH)
    value = json.loads(
        text,
        object_pairs_hook=_unique,
        parse_float=_finite,
        parse_int=_within_double,
        parse_constant=_not_json,
    )
    if not isinstance(value, dict):
        raise ValueError("not an object")  # noqa: TRY004 -- the text is wrong, not the caller
    return value


def canonical(value: dict[str, Any]) -> str:
    """Return ``value`` as text, in the one form that Stile passes on.

    Raises:
        ValueError: it contains a lone surrogate.
    """
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    text.encode()
    return text


def _check_depth(text: str, most: int) -> None:
    depth = 0
    for match in _LITERAL_OR_BRACKET.finditer(text):
        if (mark := match[0]) in "[{":
            depth += 1
            if depth > most:
                raise _too_deep(most)
        elif mark in "]}":
            depth -= 1


def _too_deep(most: int) -> ValueError:
    return ValueError(f"nested deeper than {most} levels")


def _unique(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    value: dict[str, Any] = {}
    for key, item in pairs:
        if key in value:
            raise ValueError("a key occurs twice")
        value[key] = item
    return value


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError("a number is too large")
    return number


def _within_double(text: str) -> int:
    # Longer than any double, so it need not be parsed.
    if len(text) > 310:
        raise ValueError("a number is too large")
    _finite(text)
    return int(text)


def _not_json(constant: str) -> float:
    raise ValueError(f"{constant} is not JSON")
