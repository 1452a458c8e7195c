"""What a regular expression costs llama.cpp, which follows every way to read a text at once.

Two things cost. Each alternative is one more way at one place. And if pieces can take the same character
one after the other (``(.?){30}``, ``[a-z]*[a-z]*``), the ways multiply with each character of a token, of
which the model has tens of thousands: that is the crowd. The weights are measured (ADR 0014).
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

_ANY = (1 << 129) - 1
"""Characters as a set of bits: one for each of ASCII, and one for all others together."""

_OTHER = 1 << 128
_DIGITS = sum(1 << code for code in b"0123456789")
_SPACES = sum(1 << code for code in b" \t\n\r\f\v") | _OTHER
_WORD = _DIGITS | sum(1 << code for code in range(128) if chr(code).isalpha()) | 1 << ord("_") | _OTHER
_CLASSES = {"d": _DIGITS, "w": _WORD, "s": _SPACES, "D": _ANY, "W": _ANY, "S": _ANY, "p": _ANY, "P": _ANY}
_CONTROLS = {"n": "\n", "r": "\r", "t": "\t", "f": "\f", "v": "\v", "0": "\0"}

_PIECE = re.compile(
    r"\((?:\?(?::|=|!|<=|<!|P?<\w*>))?"  # a group, whatever it is for
    r"|\[\^?\]?(?:[^\]\\]++|\\.)*+\]?"
    r"|\{\d*+(?:,\d*+)?\}"
    r"|\\[pPxuk]\{[^}]{0,64}+\}|\\x[0-9A-Fa-f]{2}|\\u[0-9A-Fa-f]{4}|\\."
    r"|.",
    re.DOTALL,
)
_IN_CLASS = re.compile(r"\\u[0-9A-Fa-f]{4}|\\x[0-9A-Fa-f]{2}|\\.|.", re.DOTALL)

MAX_CHARS = 2_000
"""A longer pattern is not looked into: it costs its length squared."""

_ELEMENTS_A_CHAR = 10
"""Reading a pattern costs the filter itself: 50,000 characters are 0.5 s."""

_AGAIN = 3
"""What a crowd counts for if the choice is there again after it."""

_UNBOUNDED = -1
_MAX_COUNT = 1_000_000
"""More is as good as this; llama.cpp itself takes 2,000 repetitions."""


class ImpossibleRepetitionError(ValueError):
    """A repetition has a maximum below its minimum; llama.cpp never comes to the end of such a one."""


@dataclass(slots=True)
class _Node:
    """A piece of a pattern."""

    first: int = 0
    """The characters that it can begin with."""
    tail: int = 0
    """The characters by which it can go on when it could have ended."""
    length: int | None = 0
    """Characters, if that is always the same number."""
    nullable: bool = True
    crowd: int = 1
    """Ways to take one and the same character, at most."""
    ways: int = 0
    """Alternatives."""
    size: int = 0
    """Elements of the grammar that it becomes."""


def cost(pattern: str) -> tuple[int, int]:
    """Return what ``pattern`` costs, in alternatives that cost the same, and the elements it becomes.

    Raises:
        ImpossibleRepetitionError: a repetition can never be met.
    """
    if len(pattern) > MAX_CHARS:
        return len(pattern) ** 2, len(pattern)
    node = _parse(pattern)
    return 1 + node.ways + node.crowd**3 // 8, node.size + len(pattern) * _ELEMENTS_A_CHAR


def _parse(pattern: str) -> _Node:  # noqa: C901 -- one branch for each kind of piece
    # Not by recursion: a pattern may be nothing but parentheses.
    groups: list[tuple[list[_Node], list[_Node]]] = [([], [])]
    if not pattern.startswith("^"):
        groups[0][1].append(_repeated(_of_mask(_ANY), 0, _UNBOUNDED))
    for piece in _PIECE.findall(pattern):
        alternatives, sequence = groups[-1]
        if piece[0] == "(":
            groups.append(([], []))
        elif piece == ")":
            if len(groups) > 1:
                groups.pop()
                groups[-1][1].append(_alternation([*alternatives, _sequence(sequence)]))
        elif piece == "|":
            alternatives.append(_sequence(sequence))
            sequence.clear()
        elif piece in {"^", "$"}:
            continue
        elif (times := _times(piece)) is not None:
            if sequence:
                sequence[-1] = _repeated(sequence[-1], *times)
        else:
            sequence.append(_of_mask(_mask(piece)))
    while len(groups) > 1:
        alternatives, sequence = groups.pop()
        groups[-1][1].append(_alternation([*alternatives, _sequence(sequence)]))
    alternatives, sequence = groups[0]
    return _alternation([*alternatives, _sequence(sequence)])


def _times(piece: str) -> tuple[int, int] | None:
    simple = {"?": (0, 1), "*": (0, _UNBOUNDED), "+": (1, _UNBOUNDED)}.get(piece)
    if simple or len(piece) < 3 or piece[0] != "{":
        return simple
    low, comma, high = piece[1:-1].partition(",")
    least = _count(low) if low else 0
    most = (_count(high) if high else _UNBOUNDED) if comma else least
    if most != _UNBOUNDED and most < least:
        raise ImpossibleRepetitionError
    return least, most


def _count(digits: str) -> int:
    return _MAX_COUNT if len(digits) > 6 else int(digits)


def _of_mask(mask: int) -> _Node:
    return _Node(first=mask, length=1, nullable=False, size=1)


def _sequence(nodes: list[_Node]) -> _Node:
    whole = _Node()
    run = 1
    for node in nodes:
        if whole.tail & node.first:
            run += node.crowd
        else:
            run = max(run, node.crowd) if node.nullable else node.crowd
        whole.crowd = max(whole.crowd, run)
        if whole.nullable:
            whole.first |= node.first
        # What could have been left out, or go on, may still take what comes.
        still = node.tail | (node.first if node.nullable else 0)
        whole.tail = whole.tail | still if node.nullable else still
        whole.nullable = whole.nullable and node.nullable
        whole.length = None if whole.length is None or node.length is None else whole.length + node.length
        whole.ways += node.ways
        whole.size += node.size
    # Two crowds one after the other are as a crowd that is repeated.
    crowds = sorted(node.crowd for node in nodes if node.crowd > 1)
    if len(crowds) > 1:
        whole.crowd = max(whole.crowd, _AGAIN * crowds[-2])
    return whole


def _alternation(nodes: list[_Node]) -> _Node:
    if len(nodes) == 1:
        return nodes[0]
    whole = _Node(nullable=any(node.nullable for node in nodes), length=nodes[0].length)
    takers: dict[int, int] = {}
    for node in nodes:
        whole.first |= node.first
        whole.tail |= node.tail
        whole.ways += node.ways + 1
        whole.size += node.size + 1
        if node.length != whole.length:
            whole.length = None
        for bit in _bits(node.first):
            takers[bit] = takers.get(bit, 0) + node.crowd
    if whole.length is None:
        # The shorter one may be at its end when the longer one goes on.
        whole.tail |= whole.first
    # Where it is not repeated this is one choice, which `ways` counts; `_repeated` sees to the rest.
    whole.crowd = max(takers.values(), default=1)
    return whole


def _bits(mask: int) -> Iterator[int]:
    while mask:
        low = mask & -mask
        yield low
        mask ^= low


def _repeated(node: _Node, least: int, most: int) -> _Node:
    crowd, tail = node.crowd, node.tail
    if most not in {0, 1}:
        if node.nullable:
            crowd *= most if most != _UNBOUNDED else least + 2
        elif node.crowd > 1:
            # As often as it is repeated, the choice is there again.
            crowd *= _AGAIN
        elif node.tail & node.first:
            crowd += 1
        if least != most:
            tail |= node.first
    return _Node(
        first=node.first,
        tail=tail,
        length=node.length * least if node.length is not None and least == most else None,
        nullable=node.nullable or least == 0,
        crowd=min(crowd, _MAX_COUNT),
        ways=node.ways,
        size=node.size + (most if most != _UNBOUNDED else least + 1),
    )


def _mask(piece: str) -> int:
    if piece[0] == "[" and len(piece) > 1:
        return _mask_of_class(piece[1:].removesuffix("]"))
    if piece == ".":
        return _ANY
    return _mask_of_char(piece)


def _mask_of_char(piece: str) -> int:
    if piece[0] != "\\" or len(piece) == 1:
        return _bit(ord(piece[0]))
    if len(piece) == 2:
        return _CLASSES.get(piece[1]) or _bit(ord(_CONTROLS.get(piece[1], piece[1])))
    return _ANY if piece[2] == "{" else _bit(int(piece.lstrip("\\xu"), 16))


def _mask_of_class(inside: str) -> int:
    pieces = _IN_CLASS.findall(inside.removeprefix("^"))
    mask, index = 0, 0
    while index < len(pieces):
        low = _mask_of_char(pieces[index])
        if index + 2 < len(pieces) and pieces[index + 1] == "-":
            high = _mask_of_char(pieces[index + 2])
            # All bits from the lowest of one to the highest of the other.
            mask |= ((1 << high.bit_length()) - 1) & ~((low & -low) - 1)
            index += 2
        mask |= low
        index += 1
    return (_ANY & ~mask) | _OTHER if inside.startswith("^") else mask


def _bit(code: int) -> int:
    return 1 << code if code < 128 else _OTHER
