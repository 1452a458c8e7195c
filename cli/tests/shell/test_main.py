"""What becomes of a command's errors."""

import pytest

from stile.main import main


@pytest.mark.parametrize("command", [("up",), ("restore", "x"), ("policy", "archive-key")])
def test_a_folder_that_cannot_be_made_is_one_line(monkeypatch, tmp_path, capsys, command):
    """It names the folder, and nothing is started."""
    file = tmp_path / "file"
    file.touch()
    monkeypatch.setattr("sys.argv", ["stile", *command])
    monkeypatch.setenv("STILE_HOME", str(file / "home"))
    with pytest.raises(SystemExit) as ended:
        main()
    said = capsys.readouterr()
    assert (ended.value.code, said.out) == (1, "")
    assert said.err == f"stile: {file / 'home'}: Not a directory\n"
