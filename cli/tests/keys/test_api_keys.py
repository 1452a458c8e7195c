"""`stile keys`: made, listed, taken back; what the gateway reads."""

import stat

import pytest
from typer.testing import CliRunner

from stile.errors import CredentialsError
from stile.main import app
from stile_runtime.api_keys import ApiKeys, digest
from stile_runtime.settings import SettingsError


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("STILE_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("STILE_API_KEYS", raising=False)
    return tmp_path / "home"


def run(*arguments):
    """Run a command; return its standard output, or raise what ends it."""
    result = CliRunner().invoke(app, ["keys", *arguments], catch_exceptions=False, standalone_mode=False)
    return result.stdout


def stored(path):
    return ApiKeys.model_validate_json(path.read_bytes()).keys


def test_a_key_is_shown_once_and_kept_as_its_digest(home):
    """The file is for its owner's eyes, and holds nothing that could be presented."""
    key = run("add", "ada", "--lane", "batch", "--max-in-flight", "4", "--requests-per-minute", "60").strip()
    path = home / "api-keys.json"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert key not in path.read_text()
    (entry,) = stored(path)
    assert (entry.name, entry.sha256, entry.lane) == ("ada", digest(key), "batch")
    assert (entry.max_in_flight, entry.requests_per_minute) == (4, 60)
    assert run("list").splitlines()[1].split("\t")[:4] == ["ada", "batch", "4", "60"]


def test_a_key_that_is_revoked_is_gone(home):
    """The others stay; what is not there cannot be revoked."""
    run("add", "ada")
    run("add", "bob")
    run("revoke", "ada")
    assert [entry.name for entry in stored(home / "api-keys.json")] == ["bob"]
    with pytest.raises(SettingsError, match="no key ada"):
        run("revoke", "ada")


@pytest.mark.parametrize("name", ["", "a b", "a.b", "x" * 60, "ü"])
def test_names_that_no_key_may_have(home, name):
    """A name is a token of the bus; nothing is written of one that is not."""
    with pytest.raises(SettingsError):
        run("add", name)
    assert not home.exists()


def test_a_name_is_given_once(home):
    """A second key of one name would be the first one's client."""
    run("add", "ada")
    before = (home / "api-keys.json").read_bytes()
    with pytest.raises(SettingsError, match="there is a key ada"):
        run("add", "ada")
    assert (home / "api-keys.json").read_bytes() == before


def test_the_file_can_lie_elsewhere_and_is_never_overwritten_where_it_is_another(home, tmp_path, monkeypatch):
    """`STILE_API_KEYS` names it; a file that holds no keys is left alone."""
    path = tmp_path / "else" / "keys.json"
    monkeypatch.setenv("STILE_API_KEYS", str(path))
    run("add", "ada")
    assert len(stored(path)) == 1
    path.write_text("something else")
    with pytest.raises(CredentialsError):
        run("add", "bob")
    assert path.read_text() == "something else"
    assert not home.exists()


def test_what_follows_is_said_beside_the_key(home, monkeypatch):
    """On stderr, so that the key alone can be handed on; with keys switched off it says that, too."""
    result = CliRunner().invoke(app, ["keys", "add", "ada"])
    assert result.stdout.startswith("sk-stile-")
    assert "From now on every request needs a key" in result.stderr
    monkeypatch.setenv("STILE_API_KEYS", "off")
    result = CliRunner().invoke(app, ["keys", "add", "bob"])
    assert "STILE_API_KEYS=off: no key is asked for" in result.stderr
    assert [entry.name for entry in stored(home / "api-keys.json")] == ["ada", "bob"]


def test_thirty_keys_are_made_at_once(home):
    """A line each; the numbers that are free come next, and one name that is taken makes none."""
    lines = run("add", "--count", "30", "--prefix", "pupil", "--requests-per-minute", "20").splitlines()
    made = dict(line.split("\t") for line in lines)
    assert list(made) == [f"pupil-{number:02}" for number in range(1, 31)]
    assert {entry.name: entry.sha256 for entry in stored(home / "api-keys.json")} == {
        name: digest(key) for name, key in made.items()
    }
    run("revoke", "pupil-02", "pupil-05")
    more = run("add", "--count", "3", "--prefix", "pupil").splitlines()
    assert [line.split("\t")[0] for line in more] == ["pupil-02", "pupil-05", "pupil-31"]
    with pytest.raises(SettingsError, match="pupil-31"):
        run("add", "new", "pupil-31")
    assert len(stored(home / "api-keys.json")) == 31
    with pytest.raises(SettingsError, match="--count"):
        run("add")


def test_links_carry_the_keys(home, tmp_path, monkeypatch):
    """On stdout, and on a sheet; a sheet that is there already makes no key."""
    monkeypatch.setenv("STILE_PUBLIC_URL", "https://stile.example/")
    sheet = tmp_path / "sheet.html"
    name, link = run("add", "ada", "--link", "--sheet", str(sheet)).strip().split("\t")
    assert (name, link[:27]) == ("ada", "https://stile.example/#key=")
    assert [entry.sha256 for entry in stored(home / "api-keys.json")] == [digest(link[27:])]
    assert link[27:] in sheet.read_text()
    with pytest.raises(SettingsError, match="there already"):
        run("add", "bob", "--sheet", str(sheet))
    assert len(stored(home / "api-keys.json")) == 1


def test_limits_are_changed(home):
    """Of several keys at once, what is named alone; 0 takes a limit away, and the keys stay the same."""
    run("add", "ada", "bob", "--max-in-flight", "4")
    before = stored(home / "api-keys.json")
    run("set", "ada", "bob", "--requests-per-minute", "9", "--lane", "batch")
    run("set", "bob", "--max-in-flight", "0")
    ada, bob = stored(home / "api-keys.json")
    assert (ada.max_in_flight, ada.requests_per_minute, ada.lane) == (4, 9, "batch")
    assert (bob.max_in_flight, bob.requests_per_minute, bob.lane) == (None, 9, "batch")
    assert [ada.sha256, bob.sha256] == [entry.sha256 for entry in before]
    with pytest.raises(SettingsError, match="no key eve"):
        run("set", "ada", "eve", "--max-in-flight", "1")
    with pytest.raises(SettingsError, match="say what to change"):
        run("set", "ada")
