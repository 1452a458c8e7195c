"""What schemas may cost llama.cpp: those that people use pass, those that would hold it up do not."""

from itertools import pairwise

import pytest

from harness.filter.deciding import Deciding, error_of, tool
from stile_filter.guard import pattern_cost, schema_cost
from stile_filter.guard.policy import Limits

TEXT = {"type": "string"}
NAMES = [f"p{number}" for number in range(1000)]


def pattern(expression):
    return {"type": "string", "pattern": expression}


def an_object(properties, required=()):
    return {
        "type": "object",
        "properties": properties,
        "required": list(required),
        "additionalProperties": False,
    }


def of_all(count, schema):
    return an_object(dict.fromkeys(NAMES[:count], schema), NAMES[:count])


def nested(times, within, schema):
    for _ in range(times):
        schema = within(schema)
    return schema


def asking(schema):
    return {
        "prompt": "x",
        "response_format": {"type": "json_schema", "json_schema": {"name": "a", "schema": schema}},
    }


def offering(*schemas):
    return {"prompt": "x", "tools": [tool(f"f{index}", parameters=one) for index, one in enumerate(schemas)]}


ORDINARY = {
    "30 texts of 2,000": asking(of_all(30, {"type": "string", "maxLength": 2000})),
    "30 optional": asking(an_object(dict.fromkeys(NAMES[:30], TEXT))),
    "30 nullable": asking(of_all(30, {"anyOf": [TEXT, {"type": "null"}]})),
    "30 nullable by types": asking(of_all(30, {"type": ["string", "null"], "maxLength": 500})),
    "an enum of 200": asking(of_all(5, {"enum": [f"value number {number}" for number in range(200)]})),
    "100 items": asking({"type": "array", "maxItems": 100, "items": of_all(10, TEXT)}),
    "bounded numbers": asking(of_all(30, {"type": "integer", "minimum": -1000, "maximum": 10**12})),
    "40 tools": offering(*[an_object(dict.fromkeys(NAMES[:8], TEXT), NAMES[:3]) for _ in range(40)]),
    "128 tools": offering(*[of_all(5, {"type": "string", "maxLength": 200}) for _ in range(128)]),
    "a tree": asking(
        {
            "$ref": "#/$defs/Node",
            "$defs": {
                "Node": an_object(
                    {"value": TEXT, "children": {"type": "array", "items": {"$ref": "#/$defs/Node"}}},
                    ["value"],
                )
            },
        }
    ),
    "a definition used 30 times": asking(
        {
            **of_all(30, {"$ref": "#/$defs/Money"}),
            "$defs": {"Money": of_all(3, pattern(r"^\d{1,12}(\.\d{2})?$"))},
        }
    ),
    "a union of 20 objects": asking({"anyOf": [an_object({name: TEXT}, [name]) for name in NAMES[:20]]}),
    "a chain of allOf": asking({"allOf": [{"$ref": "#/$defs/a"}], "$defs": {"a": of_all(3, TEXT)}}),
    **{
        name: asking(of_all(20, pattern(expression)))
        for name, expression in {
            "email": r"^[a-zA-Z0-9._%+-]+@[a-zA-Z0-9.-]+\.[a-zA-Z]{2,}$",
            "time": r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d{1,6})?(Z|[+-]\d{2}:\d{2})$",
            "uuid": "^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$",
            "pydantic's decimal": r"^(?!^[-+.]*$)[+-]?0*\d*\.?\d*$",
            "host": r"^[a-z0-9-]{1,63}(\.[a-z0-9-]{1,63}){1,8}$",
            "url": r"^https?://[a-zA-Z0-9.-]+(:[0-9]{1,5})?(/[a-zA-Z0-9._~/?#=&%-]*)?$",
            "semver": r"^(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(-[0-9A-Za-z-]+(\.[0-9A-Za-z-]+)*)?$",
            "ip": r"^((25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)\.){3}(25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)$",
            "words": "^[A-Za-z]+( [A-Za-z]+)*$",
            "phone": r"^\+?\d{1,3}[ -]?\(?\d{3}\)?[ -]?\d{3}[ -]?\d{4}$",
            "base64": "^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$",
            "2,000 of anything": "^.{1,2000}$",
        }.items()
    },
}

A = "response_format.json_schema.schema"
COSTLY = {
    "the first": (asking(pattern("^(.?){1999}(.?){1999}(.?){1999}(.?){1999}$")), f"{A}.pattern"),
    "45 bytes": (asking(pattern("^(.?){2000}$")), f"{A}.pattern"),
    "few letters": (asking(pattern("^([a-z]?){30}$")), f"{A}.pattern"),
    "two in turn": (asking(pattern("^(a?b?){40}$")), f"{A}.pattern"),
    "written out": (asking(pattern("^" + "[a-z]?" * 30 + "$")), f"{A}.pattern"),
    "stars": (asking(pattern("^" + "[a-z]*" * 30 + "$")), f"{A}.pattern"),
    "nullable in nullable": (asking(pattern("^((a?){20}){20}$")), f"{A}.pattern"),
    "a star repeated": (asking(pattern("^(.*){400}$")), f"{A}.pattern"),
    "up to, repeated": (asking(pattern("^(.{0,1000}){0,1000}$")), f"{A}.pattern"),
    "the same alternative in a loop": (
        asking(pattern("^(" + "|".join(["[a-z]"] * 9) + ")*$")),
        f"{A}.pattern",
    ),
    "a group that does not catch": (asking(pattern("^(?:(?P<x>.?)){99}$")), f"{A}.pattern"),
    "by its code": (asking(pattern(r"^(\u0061?\x61?){40}$")), f"{A}.pattern"),
    "no end": (asking(pattern("^((.?){99}$")), f"{A}.pattern"),
    "no anchors": (asking(pattern("(.?){99}")), f"{A}.pattern"),
    "long": (asking(pattern("a" * 20_000)), f"{A}.pattern"),
    "any of patterns": (
        asking({"anyOf": [pattern(f"^([a-z]?){{{times}}}$") for times in range(15, 19)]}),
        f"{A}.anyOf[3].pattern",
    ),
    "items": (asking({"type": "array", "items": pattern("^(.?){99}$")}), f"{A}.items.pattern"),
    "a property": (asking(of_all(3, pattern("^(.?){99}$"))), f"{A}.properties.p0.pattern"),
    "a tool": (
        offering(TEXT, of_all(1, TEXT), of_all(1, pattern("^(.?){99}$"))),
        "tools[2].function.parameters.properties.p0.pattern",
    ),
    "a definition": (
        asking({"$ref": "#/$defs/a", "$defs": {"a": pattern("^(.?){99}$")}}),
        f"{A}.$defs.a.pattern",
    ),
    "a definition within": (
        asking({"$ref": "#/$defs/a", "items": {"$defs": {"a": pattern("^(.?){99}$")}}}),
        f"{A}.$defs.a.pattern",
    ),
    "by types": (
        asking(nested(20, lambda one: {**an_object({"a": one}), "type": ["object", "object"]}, TEXT)),
        f"{A}.type",
    ),
    "an enum": (asking({"enum": [f"value {number}" for number in range(1000)]}), f"{A}.enum"),
    "optional": (asking(an_object(dict.fromkeys(NAMES, TEXT))), f"{A}.properties"),
    "optional, in five": (
        asking(of_all(5, an_object(dict.fromkeys(NAMES[:300], TEXT)))),
        f"{A}.properties.p0.properties",
    ),
    "alternatives in one another": (
        asking(nested(10, lambda one: {"anyOf": [one, one]}, TEXT)),
        f"{A}" + ".anyOf[0]" * 9 + ".anyOf",
    ),
    "alternatives by reference": (
        asking(
            {
                "$ref": "#/$defs/p0",
                "$defs": {
                    name: {"oneOf": [{"$ref": f"#/$defs/{after}"}] * 2}
                    for name, after in pairwise(NAMES[:13])
                }
                | {"p12": TEXT},
            }
        ),
        None,
    ),
    "repetitions of texts": (
        asking(of_all(300, {"type": "string", "maxLength": 2000})),
        f"{A}.properties",
    ),
    "a huge text": (asking({"type": "string", "minLength": 10**9}), f"{A}.minLength"),
    "many items": (asking({"type": "array", "items": TEXT, "minItems": 10**7}), f"{A}.minItems"),
}

IMPOSSIBLE = {
    "length": (asking({"type": "string", "minLength": 5, "maxLength": 3}), f"{A}.maxLength"),
    "items": (asking({"type": "array", "items": TEXT, "minItems": 5, "maxItems": 3}), f"{A}.maxItems"),
    "items as 5.0": (
        asking({"type": "array", "items": TEXT, "minItems": 5.0, "maxItems": 3}),
        f"{A}.maxItems",
    ),
    "repetition": (asking(pattern("^a{5,3}$")), f"{A}.pattern"),
    "itself": (asking({"$ref": "#"}), f"{A}.$ref"),
    "allOf itself": (
        asking({"allOf": [{"$ref": "#/$defs/a"}], "$defs": {"a": {"$ref": "#/$defs/a"}}}),
        f"{A}.$defs.a.$ref",
    ),
    "anyOf each other": (
        asking(
            {
                "$ref": "#/$defs/a",
                "$defs": {
                    "a": {"anyOf": [TEXT, {"$ref": "#/$defs/b"}]},
                    "b": {"allOf": [{"$ref": "#/$defs/a"}]},
                },
            }
        ),
        f"{A}.$defs.b.allOf[0].$ref",
    ),
    "elsewhere": (asking({"$ref": "https://example.org/x"}), f"{A}.$ref"),
    "nowhere": (asking({"$ref": "#/$defs/a"}), f"{A}.$ref"),
    "a long name": (asking(an_object({"!" * 30_000: TEXT})), f"{A}.properties"),
    "a name beyond the consumer's reader": (
        offering(nested(70, lambda one: {"items": one}, TEXT)),
        "tools[0].function.parameters" + ".items" * 65,
    ),
    "levels that are no schemas": (offering({"default": nested(110, lambda one: [one], 1)}), None),
    "a number that is none": (asking({"maximum": float("inf")}), f"{A}.maximum"),
    "a number beyond a double": (offering({"default": 10**400}), "tools[0].function.parameters.default"),
}


@pytest.mark.parametrize("body", ORDINARY.values(), ids=ORDINARY.keys())
async def test_what_people_ask_for_is_approved(policy_file, body):
    """Shapes of structured output as libraries write them."""
    system = Deciding(policy_file("limits: {message_chars: 100000}\n"))
    [said] = await system.gateway(body)
    assert said.headers["Chat-Event"] == "accepted", said.body


@pytest.mark.parametrize(
    ("body", "param"), [*COSTLY.values(), *IMPOSSIBLE.values()], ids=[*COSTLY, *IMPOSSIBLE]
)
async def test_what_would_hold_the_model_up_is_an_error(policy_file, body, param):
    """One clear error that names the keyword; nothing is approved."""
    system = Deciding(policy_file("limits: {message_chars: 100000}\n"))
    error = error_of(await system.gateway(body))
    assert error.code == "invalid_request"
    assert system.store.chat == {}
    if param is not None:
        assert error.param == param
    else:
        assert error.param.startswith(("response_format.json_schema.schema", "tools[0].function.parameters"))
    assert len(error.param) <= 500


async def test_the_policy_says_how_much(policy_file):
    """What is too much for one owner is not for another."""
    body = asking({"enum": NAMES})
    for limit, event in ((900, "error"), (1100, "accepted")):
        system = Deciding(policy_file(f"limits: {{schema_cost: {limit}}}\n"))
        [said] = await system.gateway(body)
        assert said.headers["Chat-Event"] == event


@pytest.mark.parametrize(
    "expression",
    [
        "(" * 1999, "a" * 2000, ".?" * 1000, "(a|" * 600, "[a" * 1000, "\\" * 1999, "{1" * 1000, "[^" * 999,
        "\\p{" * 600, "|" * 2000, ".{1,1}" * 333, ")" * 2000, "*" * 2000, "{9999999999}" * 166, "[]-a]",
        "x" * 3_000_000, "\\u00", "\\x", "[\\", "", "^", "$^",
    ],
    ids=lambda expression: f"{expression[:6]} {len(expression)}",
)  # fmt: skip
def test_any_pattern_has_a_cost(expression):
    """However it is written, and whether it can be read at all."""
    ways, elements = pattern_cost.cost(expression)
    assert ways >= 1
    assert elements >= 0


def test_the_default_is_the_one_that_is_documented():
    """The table of ADR 0014 is about this number."""
    assert Limits().schema_cost == 500
    assert schema_cost.cost(TEXT).ways == 1
