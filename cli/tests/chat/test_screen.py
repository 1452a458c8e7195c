"""What is shown while a request is answered."""

import io

import pytest

from stile.chat.events import Done, Piece, Queued, Started
from stile.chat.screen import Screen
from stile.errors import RequestError


class Terminal(io.StringIO):
    """Something that a person looks at."""

    def isatty(self):
        return True


QUEUED = Queued("id", 2, 19.6)
STARTED = Started("id", "small")


def show(*events, out=None, err=None, **options):
    """Show events; return what is on stdout and on stderr."""
    out, err = out or io.StringIO(), err or io.StringIO()
    Screen(out, err, **options).show(iter(events))
    return out.getvalue(), err.getvalue()


def test_the_answer_alone_is_on_stdout():
    """The place goes to stderr, the pieces to stdout, and the line is ended once."""
    out, err = show(QUEUED, STARTED, Piece("blue ", ""), Piece("sky", ""), Done({"response": "blue sky"}))
    assert (out, err) == ("blue sky\n", "2 requests are before yours, about 20 s\n")


def test_on_a_terminal_the_place_is_replaced_and_thoughts_are_shown():
    """Nothing of either is in the answer."""
    out, err = show(QUEUED, STARTED, Piece("", "hm"), Done({"response": "x"}), err=Terminal())
    assert out == "x\n"
    assert err.endswith("\r\x1b[K\x1b[2mhm\x1b[0m\n")


def test_what_the_pieces_lack_comes_with_the_end():
    """`done` counts: it has what no piece brought."""
    assert show(STARTED, Piece("bl", ""), Done({"response": "blue\n"}))[0] == "blue\n"
    assert show(Done({"response": "blue"}))[0] == "blue\n"


def test_another_attempt_that_writes_the_same_goes_on():
    """Nothing is printed twice."""
    events = (
        STARTED,
        Piece("blu", ""),
        STARTED,
        Piece("bl", ""),
        Piece("ue", ""),
        Done({"response": "blue"}),
    )
    assert show(*events)[0] == "blue\n"


def test_another_attempt_that_differs():
    """A terminal gets the other answer below; what a pipe has got cannot be taken back."""
    events = (STARTED, Piece("blue", ""), STARTED, Piece("red", ""), Done({"response": "red"}))
    assert show(*events, out=Terminal())[0] == "blue\nred\n"
    out = io.StringIO()
    with pytest.raises(RequestError, match="differs"):
        show(*events, out=out)
    assert out.getvalue() == "blue\n"


def test_a_refusal_is_no_answer():
    """It is said on stderr, with its category."""
    refused = Done({"response": "No.", "refused": True, "refusal": {"category": "rudeness"}})
    assert show(QUEUED, refused)[1].endswith("Refused (rudeness): No.\n")
    assert show(QUEUED, refused)[0] == ""
    assert show(STARTED, Piece("So ", ""), refused)[0] == "So \n"


def test_words_can_be_withheld():
    """For --json."""
    assert show(STARTED, Piece("blue", "hm"), Done({"response": "blue"}), shows_words=False)[0] == ""


def test_an_end_without_an_answer_is_an_error():
    with pytest.raises(RequestError, match="before it was whole"):
        show(STARTED, Piece("bl", ""))


def test_a_terminal_gets_no_control_characters_of_the_model():
    """They could change its title or its clipboard. A file gets the answer as it is."""
    text = "a\x1b]0;title\x07b\x9b2Jc\td\r\n"
    events = (STARTED, Piece("", text), Piece(text, ""), Done({"response": text}))
    out, err = show(*events, out=Terminal(), err=Terminal())
    assert out == "a\ufffd]0;title\ufffdb\ufffd2Jc\td\n"
    assert out in err
    assert show(*events)[0] == text
    refused = Done({"response": text, "refused": True})
    assert out in show(refused, err=Terminal())[1]
