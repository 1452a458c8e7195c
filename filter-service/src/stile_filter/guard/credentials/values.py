"""Tells a credential from what stands in its place: placeholders, variables, code, sentences."""

import re
from enum import IntEnum


class Context(IntEnum):
    """How sure what stands around a value is that it is a credential."""

    PROSE = 0
    """``the password is …``"""
    NAME = 1
    """``password: …``; it may be code, a form or a sentence."""
    QUOTED = 2
    """``"password": "…"``"""
    VARIABLE = 3
    """``DB_PASSWORD=…``, a connection string, an option of a command."""


_TEMPLATE = re.compile(
    r"[$%#@]?\{|\$\(|^\$\w|%\(|%[sdv]\b|^%\w+%$|^<|>$|^\[|^\(|^&|^\*\w|\*\*\*|•|\.\.\.|…|^@|^!\w|^(?:sha\d+|md5)[:-]|^\|$"
    r"|\)\.|process\.env|os\.environ|getenv|(?i:^vault:|^file:|xxxx|^[~/][^/]{0,64}/|^\.{1,2}/|^[a-z]:\\\\|^env[:.]|^arn:|^op://|^https?://|^[\w.-]+@[\w.-]+$)"
)
"""A variable, a template, a mask, a reference to where the value is, or a digest."""
_PATH = re.compile(r"[A-Za-z_]\w*(?:(?:\.|->|::)[A-Za-z_]\w*)+")
"""``self.password``, ``config->token``."""
_CALL = re.compile(r"[A-Za-z_][\w.]*[(\[]")
_SNAKE = re.compile(r"[a-z]+(?:_[a-z]+)+")
"""``key_file``: the name of a variable."""
_WORDS = re.compile(r"[^\W\d]+")
_DIGIT = re.compile(r"\d")
_MIDDLE = re.compile(r"\w[!@#$%^&*+=?~]+\w")
_SEVERAL_WORDS = re.compile(r"[A-Za-z]{2,}(?:[-_ ][A-Za-z]{2,}){3,}")
_SIZE = re.compile(r"v?\d+(?:\.\d+)*[a-zA-Z%]{0,2}")
"""``30s``, ``v2``, ``1.5``."""
_MIN_TOKEN_CHARS = 8
_MIN_PASSWORD_CHARS = 4
_MIN_PROSE_CHARS = 6
_MIN_DISTINCT = 3

_STAND_INS = frozenset(
    re.findall(
        r"\S+",
        """
        your my the a an some any new old user users db database postgres mysql root admin test api
        app client access auth secret private super strong secure real actual plain default example
        sample dummy fake demo placeholder insert enter put paste set change changeme changeit
        replace replaceme todo tbd fixme redacted removed hidden masked encrypted hashed password
        passwords passwd passphrase pass pwd token tokens key keys apikey credential credentials
        value values string str text varchar char here this it me xxx xx none null nil undefined
        true false yes no on off empty unset required optional invalid incorrect wrong missing
        expired expires mandatory needed forgotten forgot reset login bool boolean int integer
        number bytes object field input env var variable prompt ask goes not is in from bearer basic
        abc foo bar baz name username id with or and to of for hash salt min max length chars
        characters long short strength policy rotation generated random vault file path url type
        protected confirm confirmation again repeat safe unknown same different case sensitive
        numeric alphanumeric valid verified check failed ok only per one time based less free
        authentication authorization manager managers reuse auto sha md bcrypt argon identifier
        """,
    )
)
"""Words that stand for a credential, or say something about it; alone or put together."""
_STAND_IN = re.compile(f"(?i)(?>{'|'.join(sorted(_STAND_INS, key=len, reverse=True))})++")
_SAID = re.compile(
    r"(?i)(?:your|change|replace|insert|enter|put|paste|todo|fixme|dummy|fake|example|placeholder|redacted|xxx).*"
    r"|.*(?:here|placeholder|changeme|example)"
)
"""A value that says itself that it is no credential, in every context."""
_MAX_CHARS = 512
"""Of a value; a longer one is data."""


def is_credential(value: str, context: Context, *, is_password: bool) -> bool:
    """Tell whether a value that is assigned to a credential's name is one.

    Args:
        value: without its quotes.
        context: what stands around it.
        is_password: the name is of a password, not of a token or key: those are longer and hold digits.
    """
    least = _MIN_PASSWORD_CHARS if is_password else _MIN_TOKEN_CHARS
    if context is Context.PROSE:
        least = max(least, _MIN_PROSE_CHARS)
    if not least <= len(value) <= _MAX_CHARS or len(set(value)) < _MIN_DISTINCT:
        return False
    if _TEMPLATE.search(value) or _stands_for_one(value, context) or _is_code(value, context):
        return False
    return context is Context.VARIABLE or _is_chosen(value, context, is_password=is_password)


def _is_chosen(value: str, context: Context, *, is_password: bool) -> bool:
    """Tell whether a value is made up as credentials are: of digits and letters, of signs, of many words."""
    if value.isdigit():
        return is_password and context > Context.PROSE
    if _SIZE.fullmatch(value):
        return False
    if _DIGIT.search(value):
        return context > Context.PROSE or _WORDS.search(value) is not None
    if context is Context.PROSE:
        return False
    if _SEVERAL_WORDS.fullmatch(value):
        return is_password
    is_word = context is Context.QUOTED and is_password and value.isalpha() and len(value) >= _MIN_PROSE_CHARS
    return is_word or _MIDDLE.search(value) is not None


def _is_code(value: str, context: Context) -> bool:
    if context is Context.QUOTED:
        return False
    if context is Context.VARIABLE and _SNAKE.fullmatch(value):
        return True
    return _CALL.match(value) is not None or (context < Context.QUOTED and _is_path(value))


def _stands_for_one(value: str, context: Context) -> bool:
    if _SAID.fullmatch(value):
        return True
    words = _WORDS.findall(value.replace("_", " "))
    if len(_DIGIT.findall(value)) > 1 or _MIDDLE.search(value):
        return False
    if context is Context.VARIABLE:
        # In a configuration a word of the list alone is a stand-in; "mysecretpassword" may be in use.
        return len(words) == 1 and words[0].lower() in _STAND_INS
    return bool(words) and all(_STAND_IN.fullmatch(word) for word in words)


def _is_path(value: str) -> bool:
    return _PATH.fullmatch(value) is not None and len(_DIGIT.findall(value)) < 2
