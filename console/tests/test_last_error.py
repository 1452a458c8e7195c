"""The last error of a log, in words."""

import pytest

from stile_console.health import last_error


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (
            (
                "timestamp=2026-11-28T05:45:51.366327Z level=error event=policy_refused file=/p.yml line=3 "
                r'reason="no \"x\"" chat_id=7'
            ),
            '2026-11-28 05:45 policy refused: file /p.yml; line 3; reason no "x"',
        ),
        (
            "2026-11-28T05:45:52.139126Z ERROR stile_consumer::llama::slot: the clock is off seconds=40",
            "2026-11-28 05:45 the clock is off seconds=40",
        ),
        (
            "\x1b[2m2026-11-28T05:45:52.139126Z\x1b[0m \x1b[31mERROR\x1b[0m stile_consumer: stopped",
            "2026-11-28 05:45 stopped",
        ),
        ("[18380] 2026/11/28 05:45:46.024711 [ERR] no space left", "2026-11-28 05:45 no space left"),
    ],
)
def test_an_error_is_found_behind_later_lines(tmp_path, line, words):
    """In each part's own form; what is only a warning, or none, is passed over."""
    log = tmp_path / "part.log"
    later = (
        "timestamp=2026-11-28T06:00:00Z level=info event=request",
        "2026-11-28T06:00:00.1Z  WARN stile_consumer::bus: the bus is away",
        "[1] 2026/11/28 06:00:00.0 [INF] level=error",
        "a line of nobody's, cut",
    )
    log.write_text("\n".join((line, *later)))
    assert last_error.of(log) == words


def test_no_error_and_no_log(tmp_path):
    """A log without an error and a log that is not here have different answers."""
    log = tmp_path / "part.log"
    assert last_error.of(log) is None
    log.write_text("level=info event=request\n")
    assert last_error.of(log) == ""


def test_a_very_long_word_is_read_in_one_pass(tmp_path):
    """Such a line would otherwise keep the whole console busy for minutes."""
    log = tmp_path / "part.log"
    log.write_text("level=error event=failed\n" + "a" * last_error.TAIL_BYTES)
    assert last_error.of(log) == ""
    log.write_text("level=error event=failed\n" + "a" * (last_error.TAIL_BYTES - 100))
    assert last_error.of(log) == "failed"
