"""Where Stile's own files are."""

import pytest

from stile.home import find_root
from stile.settings import Settings
from stile_runtime.settings import SettingsError


def test_stiles_own_files_are_found_or_missed_by_name(tmp_path):
    """In a checkout they are found; a STILE_ROOT without them is an error."""
    assert find_root(Settings()).streams.is_file()
    with pytest.raises(SettingsError, match="STILE_ROOT"):
        find_root(Settings(root=tmp_path))
