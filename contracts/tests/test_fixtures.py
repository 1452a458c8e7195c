"""The fixtures that Python and Rust must both pass, and the exported schemas."""

import json
from pathlib import Path

import jsonschema
import pytest
from pydantic import ValidationError

from stile_contracts.errors import ERRORS, ErrorCode
from stile_contracts.export import MESSAGES, error_table, schema

V1 = Path(__file__).parents[1] / "fixtures" / "v1"
SCHEMAS = Path(__file__).parents[1] / "schemas" / "v1"


def fixtures(kind):
    """Find every fixture of a kind: in the folder of its message, or in a folder below that."""
    root = V1 / kind
    named = [(path.relative_to(root).parts[0], path) for path in sorted(root.glob("*/**/*.json"))]
    return [pytest.param(name, path.read_bytes(), id=f"{name}-{path.stem}") for name, path in named]


@pytest.mark.parametrize(("name", "body"), fixtures("valid"))
def test_valid_fixture_is_read_and_survives_being_written(name, body):
    """A valid body is read; written again, it is still valid and equal."""
    message = MESSAGES[name].model_validate_json(body)
    again = message.model_dump_json(exclude_none=True)
    assert MESSAGES[name].model_validate_json(again) == message
    jsonschema.validate(json.loads(again), json.loads(schema(name)))


@pytest.mark.parametrize(("name", "body"), fixtures("invalid"))
def test_invalid_fixture_is_not_read(name, body):
    """An invalid body is refused."""
    with pytest.raises(ValidationError):
        MESSAGES[name].model_validate_json(body)


@pytest.mark.parametrize("name", MESSAGES)
def test_every_message_has_fixtures_of_both_kinds_and_one_with_unknown_fields(name):
    """Every message has the fixtures that keep the two languages equal."""
    assert (V1 / "valid" / name / "unknown_fields.json").exists()
    assert list((V1 / "invalid" / name).rglob("*.json"))


@pytest.mark.parametrize("name", MESSAGES)
def test_the_committed_schema_is_the_exported_one(name):
    """If this fails, run ``make schemas``."""
    assert (SCHEMAS / f"{name}.json").read_text() == schema(name)


def test_the_error_table_is_total_and_the_committed_one():
    """Every code has a status and a finality, and Rust's fixture is the same table."""
    assert set(ERRORS) == set(ErrorCode)
    assert (V1 / "errors.json").read_text() == error_table()
