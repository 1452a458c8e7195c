"""Folders and files whose names have signs that a shell, a configuration or make would read as their own."""

import os
import shutil
import subprocess
from pathlib import Path

import nats
import pytest

from harness.models.standin import Standin
from harness.nats.bus import REPOSITORY
from harness.nats.certificates import Certificates
from harness.parts.policies import unscanned
from harness.parts.up import Up
from harness.processes.process import BIN
from stile.home import Root
from stile.models.catalogue import Catalogue
from stile.settings import EMBEDDED_MODEL

OUTSIDE_OF_MAKE = {
    name: value for name, value in os.environ.items() if name not in {"MAKEFLAGS", "MAKELEVEL"}
}
"""`make test` runs these tests, and a make inside of another one says more."""
SIGNS = 'it\'s "all", [b] {c} (d) #e $HOME `f` \\n %20 é日; & *?'


@pytest.fixture
def folder(tmp_path):
    """A folder whose name has all these signs."""
    folder = tmp_path / SIGNS
    folder.mkdir()
    return folder


async def test_everything_starts_from_such_a_home_and_answers(folder):
    """The home, the model, its policy and the certificates: an answer over HTTP, and over NATS with TLS."""
    weights = folder / f"{SIGNS} model.gguf"
    shutil.copyfile(Catalogue(Root(REPOSITORY)).path(EMBEDDED_MODEL), weights)
    certificates = Certificates(folder / "certificates")
    # A name of a model has no comma and no backslash.
    name = SIGNS.replace(",", "").replace("\\", "")
    model = {"STILE_MODEL": str(weights), "STILE_MODEL_NAME": name}
    up = Up(folder, **certificates.server, **certificates.client, **model)
    code, _, err = await up.run("policy", "init")
    assert (code, err) == (0, "")
    await up.start().ready()
    try:
        answer = await up.ask("Say hello.")
        assert answer.status_code == 200, answer.text
        assert answer.json()["response"]
        assert answer.json()["model"] == name
        assert (up.home / "data" / "nats" / "jetstream").is_dir()
        code, _, err = await up.run("clients", "add", "kitchen")
        assert (code, err) == (0, "")
        kitchen = await nats.connect(
            f"tls://127.0.0.1:{up.ports['NATS_PORT']}",
            nkeys_seed=str(up.home / "clients" / "kitchen.nk"),
            **certificates.connection,
        )
        reply = await kitchen.request(
            "chat.request", b'{"prompt": "Say hello.", "max_tokens": 4}', timeout=240
        )
        assert b"response" in reply.data
        await kitchen.close()
        code, out, _ = await up.run("doctor")
        assert (code, "WRONG" in out) == (0, False), out
        assert (await up.run("down"))[0] == 0
    finally:
        up.process.stop(90)


async def test_a_policy_and_keys_are_found_by_such_paths(folder, tmp_path):
    """STILE_POLICY, STILE_API_KEYS and STILE_ARCHIVE name files and folders with such names."""
    standin = await Standin(tmp_path).start()
    keys = folder / "keys" / f"{SIGNS}.json"
    settings = {"STILE_API_KEYS": str(keys), "STILE_ARCHIVE": str(folder / "archive")}
    up = Up(folder, STILE_LLAMA_URL=standin.url, **settings, **unscanned(folder))
    code, key, _ = await up.run("keys", "add", "ada")
    assert (code, keys.is_file()) == (0, True)
    await up.start().ready()
    try:
        assert (await up.ask("Hello.")).status_code == 401
        answer = await up.ask("Hello.", headers={"Authorization": f"Bearer {key.strip()}"})
        assert answer.status_code == 200, answer.text
    finally:
        up.process.stop(90)
        standin.stop()


async def test_nats_server_listens_on_an_ipv6_address(tmp_path):
    """The brackets of an address are no list of the configuration."""
    standin = await Standin(tmp_path).start()
    up = Up(tmp_path, STILE_LLAMA_URL=standin.url, STILE_NATS_HOST="::1", **unscanned(tmp_path))
    await up.start().ready()
    try:
        assert (await up.ask("Hello.")).status_code == 200
    finally:
        up.process.stop(90)
        standin.stop()


@pytest.fixture
def checkout(folder):
    """A checkout in that folder, with an environment that was not made there."""
    tree = folder / "stile"
    tree.mkdir()
    for name in ("Makefile", "requirements-uv.txt"):
        shutil.copy(REPOSITORY / name, tree)
    (tree / ".venv").symlink_to(BIN.parent)
    (tree / "rust-consumer").mkdir()
    return tree


def make(checkout: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["make", *arguments],
        cwd=checkout,
        env={**OUTSIDE_OF_MAKE, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def test_makes_commands_name_no_path_of_the_checkout(checkout):
    """Each target's commands are the same there as in any other folder: none is cut at a sign of the path."""
    listed = make(checkout, "help").stdout
    targets = [line.split()[0] for line in listed.splitlines() if line.strip()]
    assert {"setup", "up", "down", "check", "test", "lint"} <= set(targets)
    for target in targets:
        run = make(checkout, "--dry-run", target)
        assert run.returncode == 0, (target, run.stderr)
        assert SIGNS not in run.stdout


@pytest.mark.parametrize("where", [SIGNS, "a b"])
def test_make_calls_a_uv_from_a_folder_with_such_a_name(checkout, where):
    """A uv on PATH is used, whatever its folder is called; the worker is compiled before."""
    programs = checkout.parent / where
    programs.mkdir()
    for name in ("uv", "cargo"):
        program = programs / name
        program.write_text('#!/bin/sh\necho "${0##*/} $*" >> "$CALLS"\necho uv 1.0\n')
        program.chmod(0o755)
    calls = checkout.parent / "calls"
    run = make(checkout, "setup", PATH=f"{programs}:{os.environ['PATH']}", CALLS=str(calls))
    assert run.returncode == 0, run.stderr
    assert calls.read_text().splitlines()[-2:] == [
        "cargo build --locked --profile quick",
        "uv sync --locked --all-packages",
    ]


def test_such_a_checkouts_stile_is_stopped_by_make(checkout):
    """`make down` runs there."""
    run = make(checkout, "down", STILE_HOME=str(checkout / ".stile"), STILE_ROOT=str(REPOSITORY))
    assert run.returncode == 0, run.stderr
