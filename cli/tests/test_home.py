"""Where Stile's own files are."""

import pytest

from harness.models.catalogue import make_root
from stile import home
from stile.home import find_home, find_root
from stile.settings import Settings
from stile_runtime.settings import SettingsError


def test_stiles_own_files_are_found_or_missed_by_name(tmp_path):
    """In a checkout they are found; a STILE_ROOT without them is an error."""
    assert find_root(Settings()).streams.is_file()
    with pytest.raises(SettingsError, match="STILE_ROOT"):
        find_root(Settings(root=tmp_path))


def test_an_installation_from_wheels_keeps_everything_in_the_users_data_folder(tmp_path, monkeypatch):
    """Its own files are in the wheel, which may be deleted at any time; the weights are not beside them."""
    monkeypatch.setattr(home, "_checkout", lambda: None)
    monkeypatch.setattr(home, "_IN_WHEEL", make_root(tmp_path))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    root = find_root(Settings())
    assert root.folder == tmp_path
    assert root.weights == tmp_path / "data" / "stile" / "models"
    assert find_home(Settings()).folder == tmp_path / "data" / "stile"
    named = Settings(home=tmp_path / "named")
    assert find_root(named).weights == tmp_path / "named" / "models"


def test_without_the_wheel_the_error_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setattr(home, "_checkout", lambda: None)
    monkeypatch.setattr(home, "_IN_WHEEL", tmp_path)
    with pytest.raises(SettingsError, match="install the package `stile`"):
        find_root(Settings())
