"""What a person sees while a request is on its way: its place, the thoughts, the answer word by word.

The answer is the only thing on standard output; everything else is on standard error.
"""

import sys
from collections.abc import Iterable
from typing import Literal, TextIO

from stile.chat.events import Done, Event, Piece, Queued, Started
from stile.errors import RequestError
from stile.shell import controls

_DIM, _PLAIN = "\x1b[2m", "\x1b[0m"
_CLEAR_LINE = "\r\x1b[K"


class Screen:
    """Shows one answer after another.

    Args:
        out: for the answers.
        err: for the rest.
        shows_words: an answer is written as it comes; else nothing of it is.
    """

    def __init__(
        self, out: TextIO = sys.stdout, err: TextIO = sys.stderr, *, shows_words: bool = True
    ) -> None:
        self._out = out
        self._err = err
        self._shows_words = shows_words
        self._is_live = err.isatty()
        self._written = ""
        """What of this answer is on ``out``."""
        self._heard = ""
        """What was heard of it since it started last."""
        self._is_ended = False
        """Whether the answer's last line is."""
        self._open: Literal["place", "thoughts"] | None = None
        """What stands in the last line of ``err``, which is not ended."""

    @property
    def written(self) -> str:
        """What of the present answer is shown."""
        return self._written

    def show(self, happened: Iterable[Event]) -> Done:
        """Show what happens to a request until it is answered; return that.

        Raises:
            RequestError: there is no answer, or another attempt wrote a different one and what was
                shown of the first cannot be taken back.
        """
        self._written = self._heard = ""
        self._is_ended = False
        self._place("Waiting …")
        try:
            for event in happened:
                match event:
                    case Queued():
                        self._place(_place(event))
                    case Started():
                        self._heard = ""
                        self._place("Answering …")
                    case Piece():
                        self._think(event.thoughts)
                        self._heard += event.text
                        self._write(self._heard)
                    case Done():
                        self._end(event)
                        return event
        finally:
            self._clear()
            self._end_line()
        raise RequestError("the answer ended before it was whole")

    def note(self, text: str) -> None:
        """Show a sentence that is no answer."""
        self._clear()
        self._err.write(f"{fit(self._err, text)}\n")
        self._err.flush()

    def _end(self, done: Done) -> None:
        if done.is_refused:
            category = f" ({done.category})" if done.category else ""
            self._end_line()
            self.note(f"Refused{category}: {done.text}")
            return
        self._write(done.text)
        if not done.text and done.reply.get("finish_reason") == "length":
            self.note("(The model reached its limit before it answered.)")

    def _end_line(self) -> None:
        if self._written and not self._is_ended:
            self._out.write("" if self._written.endswith("\n") else "\n")
            self._out.flush()
        self._is_ended = True

    def _write(self, text: str) -> None:
        """Bring what is shown to ``text``."""
        if not self._shows_words or not text:
            return
        shared = min(len(text), len(self._written))
        if text[:shared] != self._written[:shared]:
            if not self._out.isatty():
                raise RequestError("the answer was written again and differs from what is printed already")
            self._out.write("\n")
            self.note("(It is answered again:)")
            self._written = ""
        if new := text[len(self._written) :]:
            self._clear()
            self._out.write(fit(self._out, new))
            self._out.flush()
            self._written += new

    def _think(self, thoughts: str) -> None:
        if not thoughts or not self._is_live or not self._shows_words:
            return
        if self._open != "thoughts":
            self._clear()
            self._open = "thoughts"
        self._err.write(f"{_DIM}{fit(self._err, thoughts)}{_PLAIN}")
        self._err.flush()

    def _place(self, text: str) -> None:
        """Show the place; a file gets it only if others are before."""
        if self._is_live:
            self._clear()
            self._err.write(f"{_DIM}{text}{_PLAIN}")
            self._open = "place"
        elif "before" in text:
            self._err.write(f"{text}\n")
        self._err.flush()

    def _clear(self) -> None:
        """Take the place away, and end the line of the thoughts."""
        if self._open:
            self._err.write(_CLEAR_LINE if self._open == "place" else "\n")
            self._err.flush()
            self._open = None


def fit(stream: TextIO, text: str) -> str:
    """Return text of others for a stream: a terminal gets no control characters, a file gets all of it."""
    return controls.replaced(text.replace("\r", ""), keep="\n\t") if stream.isatty() else text


def _place(event: Queued) -> str:
    about = f", about {event.seconds:.0f} s" if event.seconds is not None else ""
    match event.position:
        case None:
            return f"Accepted{about}"
        case 0:
            return f"Next{about}"
        case 1:
            return f"1 request is before yours{about}"
    return f"{event.position} requests are before yours{about}"
