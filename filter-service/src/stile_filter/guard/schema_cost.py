"""What the JSON Schemas of a request cost llama.cpp, as a number, before it is asked.

llama.cpp makes a grammar of them, and follows every way to write the answer at once: before each token it
holds the whole vocabulary against each alternative that is open. It looks for a client that has gone only
between tokens, so this work is bounded here. One is about 2 ms on one slow core; the weights are measured
(ADR 0014).
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from stile_filter.guard import pattern_cost

MAX_LEVELS = 100
"""Of JSON. serde_json, which the consumer reads with, takes 128 with those of the message around it."""

MAX_DEPTH = 64
"""Schemas in one another, through references too."""

MAX_KEY_CHARS = 256
"""Of a property's or definition's name: at some ten thousand llama.cpp's own regular expressions end it."""

Path = tuple[str | int, ...]

ELEMENTS = 1_000
"""Of a grammar cost as much as one alternative."""

_RANGE_WAYS = 20
"""The alternatives of an integer between two bounds, at most."""

_NO_SCHEMAS = {"$defs", "definitions", "enum", "const", "default", "examples", "required"}
"""Definitions count where a reference leads to them."""

_ALTERNATIVES = ("anyOf", "oneOf", "allOf")
_NAMED = ("properties", "patternProperties", "dependentSchemas")
_DEEPER = {"properties", "patternProperties", "items", "prefixItems", "additionalProperties"}
_BOUNDS = (("minLength", "maxLength"), ("minItems", "maxItems"))
_NUMBERS = {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"}


class SchemaError(Exception):
    """A schema can't be handed to llama.cpp.

    Args:
        path: the keyword at fault, from the schema on.
        reason: what to do about it, without the client's text.
    """

    def __init__(self, path: Path, reason: str) -> None:
        self.path = path
        self.reason = reason
        super().__init__(reason)


class Cost(NamedTuple):
    """What a schema costs."""

    ways: int
    """Alternatives that are open at once, at most."""
    elements: int
    """Elements of the grammar."""
    worst: Path
    """The keyword that adds most."""
    most: int
    """What it adds, in alternatives."""


def cost(schema: Mapping[str, Any]) -> Cost:
    """Return what ``schema`` costs.

    Raises:
        SchemaError: it can never be met, leads back to itself, is too deep, or holds a number or a name that
            readers differ over.
    """
    nodes = _check(schema)
    walk = _Walk(schema)
    found = walk.visit(schema, (), 0, frozenset())
    # Every reference is looked up in a copy of the whole.
    return found._replace(elements=found.elements + nodes * (1 + len(walk.known) // 4))


def _check(schema: Mapping[str, Any]) -> int:
    """Hold names, numbers and depth against their bounds; return how many values there are."""
    left: list[tuple[Any, Path]] = [(schema, ())]
    nodes = 0
    while left:
        value, path = left.pop()
        nodes += 1
        if len(path) > MAX_LEVELS:
            raise SchemaError(path, f"a schema may be {MAX_LEVELS} levels deep at most")
        if isinstance(value, dict):
            for key, item in value.items():
                if len(key) > MAX_KEY_CHARS:
                    raise SchemaError(path, f"a name in a schema may have {MAX_KEY_CHARS} characters at most")
                left.append((item, (*path, key)))
        elif isinstance(value, list):
            left += [(item, (*path, index)) for index, item in enumerate(value)]
        elif isinstance(value, int | float) and not _is_double(value):
            raise SchemaError(path, "a number must fit a double")
    return nodes


def _is_double(value: float) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:
        return False


class _Walk:
    """One schema's walk.

    Args:
        root: the schema, which references point into.
    """

    def __init__(self, root: Mapping[str, Any]) -> None:
        self._root = root
        self._hoisted = dict(_definitions(root))
        self.known: dict[str, Cost] = {}
        """References that were followed."""
        self._open: set[str] = set()

    def visit(self, schema: object, path: Path, depth: int, here: frozenset[str]) -> Cost:
        """Return what a schema costs.

        Args:
            schema: it, or whatever stands in its place.
            path: its location in the schema.
            depth: levels around it, behind references too.
            here: references on the way to it that no level of the answer lies between.
        """
        if depth > MAX_DEPTH:
            raise SchemaError(path, f"schemas may stand {MAX_DEPTH} deep in one another, references included")
        if not isinstance(schema, dict):
            return Cost(1, 1, path, 0)
        parts = [*self._own(schema, path), *self._inner(schema, path, depth, here)]
        worst = max(parts, key=lambda part: part.most)
        ways, elements = max(part.ways for part in parts), sum(part.elements for part in parts)
        if (copies := _copies(schema)) > 1:
            # A list of types is as many schemas, each with all of the keywords.
            ways, elements = ways * copies, elements * copies
            if ways - ways // copies > worst.most:
                return Cost(ways, elements, (*path, "type"), ways - ways // copies)
        return Cost(ways, elements, worst.worst, worst.most)

    def _own(self, schema: Mapping[str, Any], path: Path) -> Iterator[Cost]:
        """Yield what a schema's own keywords cost."""
        yield Cost(1, 1, path, 0)
        for least, most in _BOUNDS:
            yield _repetition(schema, least, most, path)
        if isinstance(pattern := schema.get("pattern"), str):
            yield _pattern(pattern, (*path, "pattern"))
        if isinstance(values := schema.get("enum"), list):
            written = sum(len(value) for value in values if isinstance(value, str))
            yield _counted(len(values), len(values) + written, (*path, "enum"))
        if isinstance(constant := schema.get("const"), str):
            yield _counted(1, len(constant), (*path, "const"))
        if bounds := sorted(_NUMBERS & schema.keys()):
            yield _counted(_RANGE_WAYS, _RANGE_WAYS**2, (*path, bounds[0]))
        if isinstance(properties := schema.get("properties"), dict):
            names = schema.get("required")
            required = {name for name in names if isinstance(name, str)} if isinstance(names, list) else set()
            optional = sum(name not in required for name in properties)
            # llama.cpp makes a rule for each optional property of all that may follow it, and compares the
            # names of all.
            elements = optional**3 // 400 + len(properties) ** 2 // 4
            yield _counted(1 + optional, elements, (*path, "properties"))

    def _inner(
        self, schema: Mapping[str, Any], path: Path, depth: int, here: frozenset[str]
    ) -> Iterator[Cost]:
        """Yield what the schemas in a schema cost: alternatives together, others one at a time."""
        if isinstance(reference := schema.get("$ref"), str):
            yield self._follow(reference, (*path, "$ref"), depth, here)
        for keyword, value in schema.items():
            if keyword in _NO_SCHEMAS:
                continue
            at = (*path, keyword)
            inside = frozenset[str]() if keyword in _DEEPER else here
            if isinstance(value, dict) and keyword not in _NAMED:
                yield self.visit(value, at, depth + 1, inside)
                continue
            items = (
                value.items()
                if isinstance(value, dict)
                else enumerate(value)
                if isinstance(value, list)
                else ()
            )
            costs = [self.visit(item, (*at, step), depth + 1, inside) for step, item in items]
            yield from [_together(costs, at)] if keyword in _ALTERNATIVES else costs

    def _follow(self, reference: str, path: Path, depth: int, here: frozenset[str]) -> Cost:
        if reference in here:
            raise SchemaError(path, "it leads back to itself; let a property or an item lie between")
        if reference in self.known:
            return self.known[reference]._replace(elements=1)
        if reference in self._open:
            return Cost(1, 1, path, 0)
        target, at = self._resolve(reference, path)
        self._open.add(reference)
        found = self.visit(target, at, depth + 1, here | {reference})
        self._open.discard(reference)
        self.known[reference] = found
        return found

    def _resolve(self, reference: str, path: Path) -> tuple[object, Path]:
        steps = reference.split("/")
        if len(reference) > MAX_KEY_CHARS * 4 or steps.pop(0) != "#":
            raise SchemaError(path, "a reference must lead to a place in the same schema, as in #/$defs/name")
        target: Any = self._root
        for step in steps:
            if isinstance(target, dict) and step in target:
                target = target[step]
            elif isinstance(target, list) and step.isdecimal() and len(step) < 9 and int(step) < len(target):
                target = target[int(step)]
            elif steps[0] == "$defs" and len(steps) == 2 and steps[1] in self._hoisted:
                # llama.cpp finds a definition wherever it stands.
                return self._hoisted[steps[1]], ("$defs", steps[1])
            else:
                raise SchemaError(path, "it leads to no place in the schema")
        return target, tuple(steps)


def _definitions(root: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    left: list[Any] = [root]
    while left:
        value = left.pop()
        if isinstance(value, dict):
            if isinstance(definitions := value.get("$defs"), dict):
                yield from definitions.items()
            left += value.values()
        elif isinstance(value, list):
            left += value


def _copies(schema: Mapping[str, Any]) -> int:
    types = schema.get("type")
    if not isinstance(types, list):
        return 1
    # A number or null has no use for what an object, a list or a text would be made of.
    plain = () if "enum" in schema else ("null", "boolean", "number", "integer")
    return sum(kind not in plain for kind in types)


def _together(costs: Sequence[Cost], path: Path) -> Cost:
    if not costs:
        return Cost(1, 1, path, 0)
    worst = max(costs, key=lambda part: part.most)
    own = len(costs)
    ways, elements = sum(part.ways for part in costs), own + sum(part.elements for part in costs)
    return Cost(ways, elements, path, own) if own > worst.most else Cost(ways, elements, *worst[2:])


def _counted(ways: int, elements: int, path: Path) -> Cost:
    return Cost(ways, elements, path, ways + elements // ELEMENTS)


def _pattern(pattern: str, path: Path) -> Cost:
    try:
        return _counted(*pattern_cost.cost(pattern), path)
    except pattern_cost.ImpossibleRepetitionError:
        raise SchemaError(path, "a repetition's maximum must not be below its minimum") from None


def _repetition(schema: Mapping[str, Any], least: str, most: str, path: Path) -> Cost:
    low, high = (_whole(schema.get(name)) for name in (least, most))
    if low is not None and high is not None and high < low:
        raise SchemaError((*path, most), f"it must not be below {least}")
    times = max(low or 0, high or 0, 0)
    return _counted(1, times, (*path, most if high is not None else least))


def _whole(value: object) -> int | None:
    return int(value) if isinstance(value, int | float) else None
