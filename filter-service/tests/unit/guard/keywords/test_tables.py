"""A table replaces characters, and remembers no more of them than texts have."""

import tracemalloc

from stile_filter.guard.keywords.tables import Table


def test_characters_are_replaced_or_left_out():
    """The same in a text of ASCII and in another."""
    table = Table(lambda char: None if char == "-" else "1" if char.isdigit() else char)
    assert table("a-7") == "a1"
    assert table("ä-7") == "ä1"
    assert Table(lambda char: char, foreign=False)("ä-7") == "?-7"


def test_every_character_there_is_takes_little_memory():
    """A client may send them all."""
    table = Table(str.upper)
    text = "".join(map(chr, range(0x10000, 0x30000)))
    tracemalloc.start()
    try:
        table(text)
        kept, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert kept < 4_000_000
