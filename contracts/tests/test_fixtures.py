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
    return [
        pytest.param(path.parent.name, path.read_bytes(), id=f"{path.parent.name}-{path.stem}")
        for path in sorted((V1 / kind).glob("*/*.json"))
    ]


@pytest.mark.parametrize(("name", "body"), fixtures("valid"))
def test_valid_fixture_is_read_and_survives_being_written(name, body):
    """What is valid is read, and written again it is valid still and means the same."""
    message = MESSAGES[name].model_validate_json(body)
    again = message.model_dump_json(exclude_none=True)
    assert MESSAGES[name].model_validate_json(again) == message
    jsonschema.validate(json.loads(again), json.loads(schema(name)))


@pytest.mark.parametrize(("name", "body"), fixtures("invalid"))
def test_invalid_fixture_is_not_read(name, body):
    """What is invalid is not read, whatever else is right with it."""
    with pytest.raises(ValidationError):
        MESSAGES[name].model_validate_json(body)


@pytest.mark.parametrize("name", MESSAGES)
def test_every_message_has_fixtures_of_both_kinds_and_one_with_unknown_fields(name):
    """No message is left without the fixtures that hold the two languages together."""
    assert (V1 / "valid" / name / "unknown_fields.json").exists()
    assert list((V1 / "invalid" / name).glob("*.json"))


@pytest.mark.parametrize("name", MESSAGES)
def test_the_committed_schema_is_the_exported_one(name):
    """A changed message without its schema is caught: run ``make schemas``."""
    assert (SCHEMAS / f"{name}.json").read_text() == schema(name)


def test_the_error_table_is_total_and_the_committed_one():
    """Every code has a status and a finality, and the fixture that Rust reads says the same."""
    assert set(ERRORS) == set(ErrorCode)
    assert (V1 / "errors.json").read_text() == error_table()
