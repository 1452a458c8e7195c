"""The commands that stand on the project's pages."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("*/README.md")])
_BLOCK = re.compile(r"^```(?:sh|bash|console)\n(.*?)^```", re.MULTILINE | re.DOTALL)


def lines_of(page: Path) -> Iterator[str]:
    """Yield each command line of a page as it would be typed, without its comment."""
    for block in _BLOCK.findall(page.read_text()):
        yield from _lines(block)


def commands_in(text: str) -> Iterator[list[str]]:
    """Yield each command of some lines as words.

    What stands in ``$(…)``, and what follows a pipe, is a command of its own.
    """
    for line in _lines(text):
        yield from _split(_words(re.sub(r"\$\([^()]*\)", "INNER", line)))
        for inner in re.findall(r"\$\(\s*([^()]*)\)", line):
            yield from _split(_words(inner))


def _words(line: str) -> list[str]:
    lexer = shlex.shlex(line, posix=True, punctuation_chars="|&;<>")
    lexer.whitespace_split = True
    lexer.commenters = "#"
    return list(lexer)


def _lines(text: str) -> Iterator[str]:
    """Join what goes over several lines: after a backslash, in quotes, in ``$(``, in a loop."""
    whole = ""
    for line in re.sub(r"\\\n\s*", " ", text).splitlines():
        whole = f"{whole}\n{line}" if whole else re.sub(r"(^|\s)#.*$", "", line)
        is_loop = whole.startswith("for ") and "\ndone" not in whole
        if not is_loop and whole.count("'") % 2 == 0 and whole.count("$(") <= whole.count(")"):
            if whole.strip():
                yield whole.strip()
            whole = ""
    if whole.strip():
        raise ValueError(f"a quote is open: {whole}")


def _split(words: list[str]) -> Iterator[list[str]]:
    command: list[str] = []
    waiting = iter(words)
    for word in waiting:
        if word in {"|", "||", "&&", "&", ";"}:
            yield command
            command = []
        elif word in {">", ">>", "<"}:
            next(waiting)
        elif command or word not in {"do", "then"}:
            command.append(word)
    yield command
