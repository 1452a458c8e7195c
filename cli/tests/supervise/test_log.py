"""A part's log."""

import time

from stile.supervise.log import PartLog
from stile.supervise.terminal import Terminal


def test_log_lines_come_in_pieces(tmp_path, capfd):
    """Lines are put together, whatever the pieces; what has no end is written at the end."""
    log = PartLog("nats", tmp_path, Terminal())
    for piece in (b"on", b"e\ntwo\r\nth", b"ree"):
        log.feed(piece)
    log.close()
    assert log.last_lines == ("one", "two", "three")
    assert (tmp_path / "nats.log").read_text() == "one\ntwo\nthree\n"
    assert capfd.readouterr().out.splitlines()[0].endswith("| one")


def test_logs_do_not_grow_without_end(tmp_path, monkeypatch, capfd):
    """A full file is set aside, and only some are kept."""
    monkeypatch.setattr("stile.supervise.log.MAX_BYTES", 1000)
    log = PartLog("nats", tmp_path, Terminal())
    for number in range(500):
        log.feed(f"line {number}\n".encode())
    log.close()
    sizes = [path.stat().st_size for path in tmp_path.iterdir()]
    assert len(sizes) == 4
    assert max(sizes) <= 1000
    assert "line 499" in (tmp_path / "nats.log").read_text()
    capfd.readouterr()


def test_what_may_quote_a_request_is_not_logged(tmp_path, capfd):
    """Its lines are kept up to the last moment at which it was not ready; all of them, if it never was."""
    log = PartLog("llama", tmp_path, Terminal(), quotes_requests=True)
    log.feed(b"loading the model\n")
    log.was_not_ready(time.monotonic())
    log.feed(b"got exception: secret one\nsecret")
    log.is_ready()
    log.feed(b" two\nsecret three\n")
    log.end()
    log.feed(b"cannot load the model\nno memory")
    log.close()
    kept = (tmp_path / "llama.log").read_text()
    lines = [line for line in kept.splitlines() if not line.startswith("(")]
    assert lines == ["loading the model", "cannot load the model", "no memory"]
    assert log.last_lines[-1] == "no memory"
    assert "secret" not in kept + capfd.readouterr().out
