"""Keys that are made, limited and revoked in the file that the gateway reads."""

import pytest

from stile_console.errors import ConflictError, FileError, InvalidError, NotFoundError
from stile_console.people import keys, sheet
from stile_console.people.keys import MOST_AT_ONCE, Limits
from stile_console.people.sheet import QUIET_ZONE
from stile_runtime import api_keys


@pytest.fixture
def file(tmp_path):
    return tmp_path / "api-keys.json"


def test_keys_are_made_together_with_their_limits(file):
    """Each is another one, and only its digest is in the file."""
    made = keys.add(file, ["ada", "ben"], Limits(lane="batch", requests_per_minute=6))
    stored = api_keys.read(file).keys
    assert [(entry.name, entry.sha256) for entry in stored] == [
        (name, api_keys.digest(key)) for name, key in made
    ]
    assert {(entry.lane, entry.requests_per_minute, entry.max_in_flight) for entry in stored} == {
        ("batch", 6, None)
    }
    assert not any(key in file.read_text() for _, key in made)


@pytest.mark.parametrize(
    "names",
    [
        [],
        ["ada", "ada"],
        ["a b"],
        ["ü"],
        ["x" * 60],
        [""],
        [f"pupil-{number}" for number in range(MOST_AT_ONCE + 1)],
    ],
)
def test_names_that_make_no_key(file, names):
    """None of them is made if one cannot be."""
    with pytest.raises(InvalidError):
        keys.add(file, names, Limits())
    assert not file.exists()


def test_a_name_is_taken_once(file):
    """The whole list is turned down, and says which."""
    keys.add(file, ["ada"], Limits())
    with pytest.raises(ConflictError, match="ada"):
        keys.add(file, ["ben", "ada"], Limits())
    assert [entry.name for entry in keys.read(file)] == ["ada"]


def test_limits_are_changed_and_keys_revoked(file):
    """The others stay as they are; an unknown name changes nothing."""
    keys.add(file, ["ada", "ben", "cleo"], Limits(max_in_flight=2))
    keys.limit(file, "ben", Limits(requests_per_minute=1))
    assert [(entry.max_in_flight, entry.requests_per_minute) for entry in keys.read(file)] == [
        (2, None),
        (None, 1),
        (2, None),
    ]
    for change in (
        lambda: keys.limit(file, "dora", Limits()),
        lambda: keys.revoke(file, ["ada", "dora"]),
    ):
        with pytest.raises(NotFoundError, match="dora"):
            change()
    keys.revoke(file, ["ada", "cleo"])
    assert [entry.name for entry in keys.read(file)] == ["ben"]


def test_a_file_that_holds_something_else_is_left_alone(file):
    """It may be another program's."""
    file.write_text("something else")
    for act in (lambda: keys.read(file), lambda: keys.add(file, ["ada"], Limits())):
        with pytest.raises(FileError):
            act()
    assert file.read_text() == "something else"


def test_a_ticket_has_the_link_as_a_qr_code():
    """The drawn lines cover exactly the dark modules, inside a quiet zone."""
    ticket = sheet.ticket("ada", "sk-stile-x", "http://school.lan:8000")
    assert ticket.link == "http://school.lan:8000/#key=sk-stile-x"
    drawn = set()
    for line in ticket.qr.path.split("M")[1:]:
        x, rest = line.split(" ")
        y, width = rest.split(".5h")
        drawn |= {(int(x) + step - QUIET_ZONE, int(y) - QUIET_ZONE) for step in range(int(width))}
    code = sheet.segno.make(ticket.link, error="m", micro=False)
    assert drawn == {(x, y) for y, row in enumerate(code.matrix) for x, module in enumerate(row) if module}
    assert ticket.qr.size == len(code.matrix) + 2 * QUIET_ZONE


@pytest.mark.parametrize(
    "address", ["", "school.lan:8000", "javascript:alert(1)", "http://", "http://x/#y", "ftp://x"]
)
def test_what_is_no_address_of_a_page(address):
    """A link that leads nowhere is not printed thirty times."""
    with pytest.raises(InvalidError):
        sheet.checked_address(address)
