"""Every command on every page could be typed: it names nothing that is not there."""

import json
import re
from functools import cache
from itertools import pairwise

import pytest
import typer
import yaml

from harness.pages import PAGES, ROOT, commands_in, lines_of
from stile.main import app
from stile_filter.policies import commands as policy_commands
from stile_gateway.app import create_app
from stile_gateway.settings import Settings

HERE = re.compile(r"^https?://(?:127\.0\.0\.1:8000|stile\.example)(/[^\s?]*)?$|^ada\.example:8000(/\S*)$")
FOREIGN = {
    *("$EDITOR", "apt", "cargo", "cat", "cd", "cut", "do", "done", "echo", "for", "git", "grep", "hostname"),
    *(
        "jq",
        "llama-server",
        "mkdir",
        "nats-server",
        "npm",
        "pip",
        "prometheus",
        "promtool",
        "python",
        "seq",
        "sh",
        "sudo",
        "tar",
        "uv",
        "uvx",
    ),
}
"""Programs that are not Stile's."""
EXAMPLE = {"ID": "01a22183-0732-74dd-ab17-78e51c1ed54f"}
"""What stands for something that the reader has."""
NATS_SUBJECTS = {"chat.request", "chat.outcome.ID"}
NATS_COMMANDS = {"req", "request", "micro"}


class UnknownError(AssertionError):
    """A command that would not work."""


def check(words):
    """Check one command.

    Raises:
        UnknownError: it would not work.
    """
    words = list(words)
    while words and re.match(r"^[A-Z][A-Z_]*=", words[0]):
        variable(words.pop(0).partition("=")[0])
    if words and words[0].endswith("$"):
        words.pop(0)  # the prompt of a named machine
    if not words:
        return
    program = words[0].removeprefix(".venv/bin/")
    if program in CHECKS:
        CHECKS[program](words[1:])
    elif program not in FOREIGN:
        raise UnknownError(f"what is {program}? In {words}")


def variable(name):
    if not name.startswith("STILE_"):
        return
    documented = (ROOT / "docs" / "configuration.md").read_text() + (ROOT / "docs" / "docker.md").read_text()
    if f"`{name}`" not in documented and not re.search(rf"`{name}[`=]", documented):
        raise UnknownError(f"{name} is in no table of docs/configuration.md")


def stile(words):
    """Parse the arguments as the program would."""
    words = [EXAMPLE.get(word, word) for word in words if word != "…" and not re.match(r"^\[.*\]$", word)]
    if words[:1] == ["policy"] and words[1] != "init":
        policy(words[1:])
        return
    command = typer.main.get_command(app)
    context = command.make_context("stile", [], resilient_parsing=True)
    while hasattr(command, "list_commands"):
        name, *words = words or [""]
        if name not in command.list_commands(context):
            raise UnknownError(f"stile has no command {name}")
        command = command.get_command(context, name)
    try:
        command.make_context("stile", words, parent=context)
    except Exception as error:
        raise UnknownError(f"stile {words}: {error}") from error


def policy(words):
    """The filter's own commands read these."""
    if words[0] == "archive-key":
        return
    try:
        policy_commands._parser(policy_commands.CommandSettings()).parse_args(words)
    except SystemExit as error:
        raise UnknownError(f"stile policy {words}") from error


def target(words):
    makefile = (ROOT / "Makefile").read_text()
    for word in words:
        if "=" not in word and not re.search(rf"^{re.escape(word)}:", makefile, re.MULTILINE):
            raise UnknownError(f"make has no target {word}")


def docker(words):
    """Check the services and profiles that a call of Compose names."""
    if words[0] != "compose":
        if words[0] not in {"stats", "image", "buildx"}:
            raise UnknownError(f"docker {words[0]}")
        return
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    profiles = {name for service in compose["services"].values() for name in service.get("profiles", [])}
    named = [value for option, value in pairwise(words) if option == "--profile"]
    takes_value = {"--profile", "--signal", "--entrypoint", "--project-name", "-e"}
    bare = [
        word for before, word in pairwise(words) if not word.startswith("-") and before not in takes_value
    ]
    verb, *services = bare
    if verb not in {"up", "down", "run", "exec", "kill", "build", "logs", "ps", "pull", "restart"}:
        raise UnknownError(f"docker compose {verb}")
    if verb in {"run", "exec"}:
        services = services[:1]  # what follows is the container's
    if unknown := {*services} - {*compose["services"]} | {*named} - profiles:
        raise UnknownError(f"there is no {unknown}")


@cache
def addresses():
    return {*create_app(Settings()).openapi()["paths"], "/"}


def curl(words):
    """Check that the gateway has the address, and that a body is JSON."""
    for option, value in zip(words, [*words[1:], ""], strict=True):
        if option in {"-d", "--data"} and not value.startswith("@"):
            json.loads(value)
        if (found := HERE.match(option)) and not any(
            re.fullmatch(re.sub(r"\{[^}]+\}", "[^/]+", path), found[1] or found[2] or "/")
            for path in addresses()
        ):
            raise UnknownError(f"the gateway has nothing at {option}")


def nats(words):
    found = [word for word in words if word in NATS_COMMANDS]
    if not found:
        raise UnknownError(f"nats {words}")
    if found[0] != "micro":
        rest = words[words.index(found[0]) + 1 :]
        if rest[0] not in NATS_SUBJECTS:
            raise UnknownError(f"nothing answers at {rest[0]}")
        if rest[-1]:
            json.loads(rest[-1])


def worker(words):
    if words:
        raise UnknownError(f"the worker takes no arguments: {words}")


def export(words):
    for word in words:
        variable(word.partition("=")[0])


def copy(words):
    paths([word for word in words[:-1] if not word.startswith(("~", "-", "/", "."))])


def files(words):
    paths([word for word in words if not word.startswith("-")])


def paths(words):
    missing = [word for word in words if not (ROOT / word).exists() and "." in word]
    if missing:
        raise UnknownError(f"there is no {missing}")


def check_all(commands):
    for command in commands:
        check(command)


CHECKS = {
    "stile": stile,
    "make": target,
    "docker": docker,
    "curl": curl,
    "nats": nats,
    "stile-consumer": worker,
    "export": export,
    "cp": copy,
    "pytest": files,
}
"""What is checked of a program's arguments."""


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_command_of_a_page_could_be_typed(page):
    """It names nothing that is not there."""
    for line in lines_of(page):
        check_all(commands_in(line))


def test_the_pages_for_a_beginning_have_commands():
    """The scan has something to look at."""
    pages = (ROOT / "docs" / "start").glob("*.md")
    found = [line for page in pages for line in lines_of(page)]
    assert len(found) > 30


@pytest.mark.parametrize(
    "line",
    [
        "stile upp",
        ".venv/bin/stile dlq show",
        ".venv/bin/stile keys add ada --lane fast",
        "stile status --jsonn",
        "stile policy test --polici x",
        "make upp",
        "docker compose up filter-servis",
        "docker compose --profile buz up",
        "docker compose frobnicate",
        "curl -s http://127.0.0.1:8000/chatt",
        "curl -s http://127.0.0.1:8000/chat -d '{\"prompt\": }'",
        "nats req chat.requestt '{}'",
        "STILE_PROT=8000 make up",
        "frobnicate",
        "echo $(frobnicate)",
        "cat x | frobnicate",
        ".venv/bin/pytest tests/integration/gateway/test_chatt.py",
        "cp filter-service/presets/shool.yml .stile/policy.yml",
    ],
)
def test_what_the_scan_finds(line):
    """The test above would fail for these."""
    commands = list(commands_in(line))
    with pytest.raises((UnknownError, ValueError)):
        check_all(commands)
