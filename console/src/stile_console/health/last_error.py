"""The last error of a part, in words, from the end of its log. No log contains a text of a request."""

import re
from pathlib import Path

TAIL_BYTES = 128 * 1024
"""How much of the end of a log is read."""
LONGEST = 300
"""Characters of what is shown."""

_FIELD = re.compile(r'(?<![a-z_])(?P<name>[a-z_]+)=(?P<value>"(?:[^"\\]|\\.)*"|\S+)')
"""A name begins where no letter is before it, so a long word is read once, not from each of its letters."""
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_TRACING = re.compile(r"(?P<at>\d{4}-\d\d-\d\dT\S+)\s+(?P<level>ERROR|WARN)\s+\S+: (?P<words>.*)")
"""As Rust's tracing writes it."""
_NATS = re.compile(r"\[\d+\] (?P<at>\d{4}/\d\d/\d\d \S+) \[(?P<level>ERR|FTL)\] (?P<words>.*)")
_HIDDEN = frozenset(
    {"timestamp", "level", "event", "logger", "chat_id", "request_id", "exception", "instance"}
)
"""Fields that say nothing to a person."""


def of(log: Path) -> str | None:
    """Return the newest error in ``log``; an empty text if there is none, None if there is no log here."""
    try:
        with log.open("rb") as file:
            file.seek(0, 2)
            file.seek(max(0, file.tell() - TAIL_BYTES))
            lines = file.read().decode("utf-8", "replace").splitlines()
    except OSError:
        return None
    found = (words for line in reversed(lines) if (words := in_words(_COLOUR.sub("", line))))
    return next(found, "")


def in_words(line: str) -> str | None:
    """Return what a line says, if it is an error: ``2026-11-28 05:45 policy refused: line 3: …``."""
    for form in (_TRACING, _NATS):
        if (match := form.match(line)) and match["level"] != "WARN":
            return _short(match["at"], match["words"])
    fields = {match["name"]: _plain(match["value"]) for match in _FIELD.finditer(line)}
    if fields.get("level") not in {"error", "critical"} or "event" not in fields:
        return None
    told = "; ".join(f"{name} {value}" for name, value in fields.items() if name not in _HIDDEN)
    words = fields["event"].replace("_", " ") + (f": {told}" if told else "")
    return _short(fields.get("timestamp", ""), words)


def _plain(value: str) -> str:
    return value[1:-1].replace('\\"', '"') if value.startswith('"') else value


def _short(at: str, words: str) -> str:
    time = at.replace("T", " ").replace("/", "-")[:16]
    said = f"{time} {words}".strip()
    return said if len(said) <= LONGEST else said[: LONGEST - 1] + "…"
