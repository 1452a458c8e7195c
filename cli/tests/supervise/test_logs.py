"""`stile logs`: the ends of the parts' logs."""

import pytest
from typer.testing import CliRunner

from stile.commands.run.logs import _Tail
from stile.errors import StileError
from stile.main import app


@pytest.fixture
def logs(tmp_path, monkeypatch):
    """Run the command on an installation with two logs; return what it shows."""
    monkeypatch.setenv("STILE_HOME", str(tmp_path))
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "gateway.log").write_text("one\ntwo\nthree\n")
    (tmp_path / "logs" / "nats.log").write_text("started\n")

    def run(*arguments):
        return CliRunner().invoke(app, ["logs", *arguments], catch_exceptions=False).output

    return run


def test_the_last_lines(logs):
    """Of one part as they are; of several, each behind its part's name, in the order of the parts."""
    assert logs("gateway", "-n", "2") == "two\nthree\n"
    assert logs("-n", "1") == "nats    | started\ngateway | three\n"


def test_a_part_without_a_log(logs, tmp_path):
    """A name that no part has is an error, and so is an installation that never ran."""
    with pytest.raises(StileError, match="no part gatewy"):
        logs("gatewy")
    for log in (tmp_path / "logs").iterdir():
        log.unlink()
    with pytest.raises(StileError, match="no log"):
        logs()


def test_a_log_that_is_replaced_is_followed(tmp_path):
    """Lines come once, whole, from the old file and then from the new one."""
    log = tmp_path / "part.log"
    tail = _Tail("part", log)
    assert tail.new() == []
    log.write_bytes(b"one\ntw")
    assert tail.new() == [b"one"]
    with log.open("ab") as file:
        file.write(b"o\nthree\n")
    log.rename(tmp_path / "part.log.1")
    log.write_bytes(b"four\n")
    assert tail.new() == [b"two", b"three", b"four"]
    assert tail.new() == []
