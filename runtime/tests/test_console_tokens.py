"""The tokens that open the console."""

import stat
import time

from stile_runtime.installation import console_tokens
from stile_runtime.installation.console_tokens import MOST, VALID_SECONDS


def test_a_token_works_once(tmp_path):
    """The first to present it is let in, and nobody after that; the others still work."""
    path = tmp_path / "home" / "tokens"
    first, second = console_tokens.make(path), console_tokens.make(path)
    assert console_tokens.spend(path, first)
    assert not console_tokens.spend(path, first)
    assert console_tokens.spend(path, second)


def test_what_is_no_token(tmp_path):
    """Nothing is let in by a made-up token, by a digest out of the file, or if there is no file."""
    path = tmp_path / "tokens"
    assert not console_tokens.spend(path, "x")
    token = console_tokens.make(path)
    digest = path.read_text().split()[0]
    assert not any(console_tokens.spend(path, said) for said in ("", "x", digest, token[:-1], token + "\n"))
    assert console_tokens.spend(path, token)


def test_the_file_holds_no_token_and_is_its_owners(tmp_path):
    """It is of no use to those who may read it, and they are none."""
    path = tmp_path / "tokens"
    token = console_tokens.make(path)
    assert token not in path.read_text()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_tokens_end(tmp_path, monkeypatch):
    """After a day, or when there are too many newer ones."""
    path = tmp_path / "tokens"
    old = console_tokens.make(path)
    newer = [console_tokens.make(path) for _ in range(MOST)]
    assert not console_tokens.spend(path, old)
    later = time.time() + VALID_SECONDS + 1
    monkeypatch.setattr(time, "time", lambda: later)
    assert not console_tokens.spend(path, newer[-1])
