"""The list of all variables, by which a misspelt one is known."""

import re
from dataclasses import fields
from pathlib import Path

import pytest

from stile.settings import Settings
from stile_console.settings import Settings as ConsoleSettings
from stile_filter.settings import Settings as FilterSettings
from stile_gateway.settings import Settings as GatewaySettings
from stile_runtime.variables import KNOWN, unknown, variable

REPOSITORY = Path(__file__).parents[2]
NAME = re.compile(r"STILE_[A-Z0-9_]*[A-Z0-9](?![A-Z0-9_…])")


def named(*files):
    return {name for file in files for name in NAME.findall((REPOSITORY / file).read_text())}


def test_every_variable_is_known():
    """Those of each program, and of Compose."""
    programs = {variable(field.name) for field in fields(Settings)}
    for settings in (ConsoleSettings, FilterSettings, GatewaySettings):
        programs |= {variable(field) for field in settings.model_fields}
    programs |= named("docker-compose.yml", "rust-consumer/src/config.rs")
    assert programs - KNOWN == set()


def test_every_known_one_is_documented():
    """A name that stands nowhere would hide a misspelt one."""
    assert KNOWN - named("docs/configuration.md", "docs/docker.md", "docker-compose.yml") == set()


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("STILE_PROT", "is it STILE_PORT?"),
        ("STILE_APIKEYS", "is it STILE_API_KEYS?"),
        ("STILE_SOMETHING_ELSE_ALTOGETHER", "is ignored"),
    ],
)
def test_a_misspelt_one_is_named(name, said):
    """With the nearest that there is, if one is near."""
    (sentence,) = unknown([name, "PATH", "STILE_PORT", "stile_port"])
    assert sentence.startswith(f"{name} is no variable of Stile")
    assert sentence.endswith(said)
