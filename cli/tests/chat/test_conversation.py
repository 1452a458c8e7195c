"""A conversation in a terminal."""

import builtins
import io
import json

import pytest

from stile.chat.conversation import Conversation
from stile.chat.events import Done, Piece, Started
from stile.chat.screen import Screen
from stile.errors import RequestError

QUOTES = '"""'


class Asked:
    """Answers with what it is given; keeps the requests."""

    def __init__(self, *replies):
        self.replies = list(replies)
        self.requests = []

    def stream(self, request):
        self.requests.append(request)
        reply = self.replies.pop(0) if self.replies else {"response": "yes"}
        if isinstance(reply, BaseException):
            yield Started("id", None)
            yield Piece("half", "")
            raise reply
        yield Done(reply)

    def models(self):
        return ["large", "small"]


@pytest.fixture
def hold(monkeypatch, tmp_path):
    """Type lines into a conversation; return it and what was said on stderr."""

    def run(asked, *lines, **options):
        typed = iter(lines)

        def read(_prompt):
            line = next(typed, None)
            if line is None:
                raise EOFError
            if isinstance(line, BaseException):
                raise line
            return line

        monkeypatch.setattr(builtins, "input", read)
        err = io.StringIO()
        conversation = Conversation(asked, Screen(io.StringIO(), err), {"model": "small"}, **options)
        conversation.hold(tmp_path / "state" / "history", lambda _: None)
        return conversation, err.getvalue()

    return run


def roles(request):
    return [(message["role"], message["content"]) for message in request["messages"]]


def test_each_question_comes_with_what_was_said_before(hold):
    """The system message first; options in every request."""
    asked = Asked({"response": "blue"})
    hold(asked, "Which colour?", "Sure?", system="Be short.")
    assert roles(asked.requests[0]) == [("system", "Be short."), ("user", "Which colour?")]
    assert roles(asked.requests[1])[1:] == [
        ("user", "Which colour?"),
        ("assistant", "blue"),
        ("user", "Sure?"),
    ]
    assert [request["model"] for request in asked.requests] == ["small", "small"]


def test_what_was_refused_is_forgotten(hold):
    """Else every later question would be refused, too."""
    asked = Asked({"response": "No.", "refused": True})
    _, said = hold(asked, "darn", "Hello")
    assert roles(asked.requests[1]) == [("user", "Hello")]
    assert "Refused: No." in said


def test_an_error_and_an_interrupt_end_the_answer_alone(hold):
    """The next question is asked; half an answer that was stopped stays."""
    asked = Asked(RequestError("queue_full: later"), KeyboardInterrupt())
    _, said = hold(asked, "one", "two", KeyboardInterrupt(), "three")
    assert "queue_full: later" in said
    assert "(Stopped.)" in said
    assert roles(asked.requests[2]) == [("user", "two"), ("assistant", "half"), ("user", "three")]


def test_the_commands(hold):
    """Models are listed and chosen, the system message is set and removed, a conversation ends and begins."""
    asked = Asked()
    lines = (
        "/model",
        "/model large",
        "/system Be kind.",
        "a",
        "/new",
        "/system -",
        "b",
        "/what",
        "/quit",
        "c",
    )
    _, said = hold(asked, *lines)
    assert "  large\n* small\n" in said
    assert roles(asked.requests[0]) == [("system", "Be kind."), ("user", "a")]
    assert roles(asked.requests[1]) == [("user", "b")]
    assert len(asked.requests) == 2
    assert asked.requests[1]["model"] == "large"
    assert "There is no command /what" in said


def test_a_conversation_is_saved(hold, tmp_path):
    """As Markdown or JSON; what is there already is not overwritten."""
    note, data = tmp_path / "a note.md", tmp_path / "all.json"
    asked = Asked({"response": "blue"})
    nobody = "~nobody-is-called-so/a.md"
    saves = [f"/save {file}" for file in (note, data, note, nobody)]
    _, said = hold(asked, "Colour?", *saves, system="Short.")
    assert note.read_text() == "## System\n\nShort.\n\n## Question\n\nColour?\n\n## Answer\n\nblue\n"
    assert json.loads(data.read_text())["messages"][2] == {"role": "assistant", "content": "blue"}
    assert f"{note}: File exists" in said
    assert f"{nobody}: " in said


def test_a_question_of_several_lines(hold):
    asked = Asked()
    hold(asked, f"{QUOTES}one", "two", f"three{QUOTES}", f"{QUOTES}four{QUOTES}")
    assert [roles(request)[-1][1] for request in asked.requests] == ["one\ntwo\nthree", "four"]


def test_what_was_typed_is_the_owners_alone(hold, tmp_path):
    """The file of the arrow keys holds questions."""
    hold(Asked(), "Colour?")
    file = tmp_path / "state" / "history"
    assert file.stat().st_mode & 0o777 == 0o600
