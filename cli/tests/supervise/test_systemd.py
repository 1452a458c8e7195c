"""`stile systemd install`: the unit."""

import configparser
import os
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from stile.errors import StileError
from stile.main import app
from stile.supervise import systemd
from stile_runtime.variables import SettingsError


@pytest.fixture
def install(monkeypatch, tmp_path):
    """Run the command for an installation whose path has what systemd reads in its own way."""
    for name in [name for name in os.environ if name.startswith("STILE_")] + ["SUDO_USER"]:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("STILE_HOME", str(tmp_path / "a 100% home"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))

    def run(*arguments):
        result = CliRunner().invoke(
            app, ["systemd", "install", *arguments], catch_exceptions=False, standalone_mode=False
        )
        return result.stdout

    return run


def service(text):
    """Read the unit: the lines of its service, by name."""
    read = configparser.ConfigParser(strict=False, interpolation=None, delimiters="=", default_section="")
    read.optionxform = str
    read.read_string(text)
    return dict(read["Service"]), [line for line in text.splitlines() if line.startswith("Environment=")]


def test_a_unit_of_the_user(install, tmp_path, monkeypatch):
    """It starts `stile up` with this installation and today's variables; no secret is in it."""
    (here := tmp_path / "100% here").mkdir()
    monkeypatch.chdir(here)
    monkeypatch.setenv("STILE_PORT", "8111")
    monkeypatch.setenv("STILE_API_KEY", "sk-secret")
    said = install()
    unit = tmp_path / "config" / "systemd" / "user" / "stile.service"
    lines, environment = service(unit.read_text())
    assert lines["ExecStart"].endswith('/stile" up --detached')
    assert Path(lines["ExecStart"].split('"')[1]).is_file()
    assert lines["KillMode"] == "mixed"
    assert "User" not in lines
    assert lines["WorkingDirectory"] == f"-{tmp_path}/100%% here"
    assert 'Environment="STILE_PORT=8111"' in environment
    assert f'Environment="STILE_HOME={tmp_path}/a 100%% home"' in environment
    assert "sk-secret" not in unit.read_text()
    assert "systemctl --user enable --now stile" in said
    with pytest.raises(StileError, match="--replace"):
        install()
    install("--replace")


def test_a_unit_of_the_system(install, tmp_path, monkeypatch):
    """More is locked in; only the installation can be written, and what variables name elsewhere."""
    lines, _ = service(install("--system", "--user", "stile", "--print"))
    assert lines["User"] == "stile"
    assert lines["ProtectSystem"] == "strict"
    assert lines["ReadWritePaths"] == f'"{tmp_path}/a 100%% home"'
    elsewhere = (
        tmp_path / "keys" / "api-keys.json",
        tmp_path / "my policy" / "policy.yml",
        tmp_path / "archive",
    )
    for name, path in zip(("API_KEYS", "POLICY", "ARCHIVE"), elsewhere, strict=True):
        monkeypatch.setenv(f"STILE_{name}", str(path))
    lines, _ = service(install("--system", "--user", "stile", "--print"))
    assert lines["ReadWritePaths"] == (
        f'"{tmp_path}/a 100%% home" "-{tmp_path}/archive" "-{tmp_path}/keys" "-{tmp_path}/my policy"'
    )
    for wrong in (("--system",), ("--system", "--user", "root"), ("--user", "stile")):
        with pytest.raises(SettingsError, match="--user"):
            install(*wrong)


def test_the_folder_is_of_the_user_who_runs_it(install, tmp_path, monkeypatch):
    """Root makes it; Stile could not start in a folder of root's. A user must be there."""
    given = []
    monkeypatch.setattr(shutil, "chown", lambda *given_to: given.append(given_to))
    monkeypatch.setattr(systemd, "place", lambda **_: tmp_path / "stile.service")
    with pytest.raises(SettingsError, match="there is no user nobody-is-called-so"):
        install("--system", "--user", "nobody-is-called-so")
    assert (given, (tmp_path / "stile.service").exists()) == ([], False)
    install("--system", "--user", "daemon")
    assert given == [(tmp_path / "a 100% home", "daemon")]
    install("--system", "--user", "daemon", "--replace")
    assert len(given) == 1


def test_print_writes_nothing(install, tmp_path):
    assert install("--print").startswith("# Written by")
    assert not (tmp_path / "config").exists()


def test_the_journal_is_known_by_its_stream(tmp_path):
    """A program that only inherits the variable writes somewhere else."""
    with (tmp_path / "stream").open("w") as stream, (tmp_path / "terminal").open("w") as terminal:
        there = os.fstat(stream.fileno())
        environ = {"JOURNAL_STREAM": f"{there.st_dev}:{there.st_ino}"}
        assert systemd.is_journal(stream.fileno(), environ)
        assert not systemd.is_journal(terminal.fileno(), environ)
        assert not systemd.is_journal(stream.fileno(), {})
