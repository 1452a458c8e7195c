"""Passwords, keys and tokens that are assigned to a name: in env files, YAML, JSON, INI, code and sentences.

Each reader begins at a word that can be found fast, and looks at most a line or two around it, so the time is
in proportion to the text.
"""

import re
from collections.abc import Iterator

from ahocorasick_rs import AhoCorasick

from stile_filter.guard.credentials.values import Context, is_credential

_NAME = re.compile(
    r"""(?ix)
    (?P<password> password | passwd | passphrase | passwort | kennwort | contraseña | contrasena | senha
      | mot[ _-]de[ _-]passe | parola | wachtwoord | hasło | пароль | 密码 | 密碼 | パスワード | 비밀번호
      | pwd | pass)
    | (?: api | access | secret | private | auth | encryption | signing | master | account )[ _-]?key
    | access[ _-]?key[ _-]?id | client[ _-]?secret | secret | token | credentials?
    """
)
_NAME_CHARS = re.compile(r"[\w.-]{0,64}$")
_OTHER_TOKENS = re.compile(
    r"(?i)(?:^|[_.-])(?:bos|eos|pad|unk|sep|cls|mask|next|prev|previous|page|continuation|sync|stop|special|end|start"
    r"|cancel|cancellation|csrf|xsrf|lex|last|current|first|image|max|min|num|per|by|no|is|has|show|hide|reset|forgot)"
    r"_?$"
)
"""What makes a name one of something else: ``pad_token``, ``next_token``, ``has_password``."""

# After a name: an index, the name's own quote or bracket, the sign, then the value.
_BEHIND = re.compile(
    r"""(?P<ends>\d{0,2}(?:\\?["'\])]){0,2})
        (?P<type>:\s?(?:str|string|String|Optional\[str\]|SecretStr|&str|&'static\sstr)(?=\s*=))?
        (?P<sign>[ \t]{0,20}(?::=|=>|[:=\uff1d\uff1a]|>|->)(?:\*\*|__)?[ \t]{0,20}(?:\n[ \t]{1,20})?
          |[ \t]{1,8}(?P<is>is|was|ist|lautet|est|es|é)(?::|[ \t])[ \t]{0,8})
        (?:(?P<prefix>[bru]|@)?(?P<quote>\\?["'`]|["'\u201c\u201d\u2018\u2019«]))?""",
    re.VERBOSE,
)
_QUOTED_VALUE = {
    '"': re.compile(r'[^"\n\\]{0,513}'),
    "'": re.compile(r"[^'\n\\]{0,513}"),
    "`": re.compile(r"[^`\n]{0,513}"),
}
_ANY_QUOTED = re.compile(r"[^\"'`\u201c\u201d\u2018\u2019»\n\\]{0,513}")
_BARE_VALUE = re.compile(r"""[^\s"'`<>,;\\]{1,513}""")
_XML_VALUE = re.compile(r"[^<\n]{1,513}(?=</)")
_IN_PROSE = re.compile(r"[.!?:)\]}]+$")

_NAMES = re.findall(
    r"\S+",
    """
    pass pwd secret token credential api access private auth encryption signing master account client kennwort
    contrase senha mot parola wachtwoord hasło пароль 密码 密碼 パスワード 비밀번호
    """,
)
"""What names begin with, in lower case."""
_NO_SPACE = r"[^\s\"']"
_FORMS = (
    # scheme://user:password@host
    ("url", ("://",), r"://(?P<user>[^\s:/@\"'<>]{0,100}):(?P<value>[^\s/@\"'<>]{1,200})@[\w\[{$-]"),
    (
        "header",
        ("authorization",),
        r"authorization[\"']?\s?[:=]\s?[\"']?(?:bearer|basic|token)\s(?P<value>[\w.~+/=-]{16,512})",
    ),
    ("curl", ("-u", "-user"), rf"-u(?:ser)?[\s=]?[\"']?[\w.@-]{{1,64}}:(?P<value>{_NO_SPACE}{{1,200}})"),
    ("option", ("sshpass",), rf"sshpass\s-p\s?[\"']?(?P<value>{_NO_SPACE}{{3,200}})"),
    ("sql", ("identified",), r"identified\s(?:with\s\w{1,30}\s)?by\s'(?P<value>[^'\n]{3,200})'"),
)
"""Kind, what the form begins with, and the whole of it."""
_ANCHORS = [*_NAMES, *(anchor for _, anchors, _ in _FORMS for anchor in anchors)]
_READERS = [(kind, re.compile(form, re.IGNORECASE)) for kind, anchors, form in _FORMS for _ in anchors]
_AUTOMATON = AhoCorasick(_ANCHORS)

# What may stand before a name whose value follows without a sign, and the value.
_OPTION = re.compile(r"\s--?(?:[a-z]{1,20}-){0,3}$", re.IGNORECASE)
_INSTRUCTION = re.compile(r"(?:^|\n)\s{0,8}(?:ENV|ARG) [A-Z0-9_]{0,40}$")
_LOGIN = re.compile(r"\blogin\s\S{1,64}\s{1,8}$", re.IGNORECASE)
_PAIR = re.compile(r"\bname[\"']?\s?:\s?[\"']?[\w.-]{0,40}$", re.IGNORECASE)
_NEXT_WORD = re.compile(rf" [\"']?(?P<value>[^\s\"'=-]{_NO_SPACE}{{2,200}})")
_NEXT_STRING = re.compile(r" '(?P<value>[^'\n]{3,200})'")
_ITS_VALUE = re.compile(
    r"""["']?,?\s{1,40}["']?value["']?\s?:\s?["']?(?P<value>[^\s"',}]{3,200})""", re.IGNORECASE
)
_AFTER = (
    (_OPTION, _NEXT_WORD, Context.QUOTED),
    (_INSTRUCTION, _NEXT_WORD, Context.VARIABLE),
    (_LOGIN, _NEXT_WORD, Context.QUOTED),
    (_PAIR, _ITS_VALUE, Context.VARIABLE),
    (
        re.compile(r"\b(?:with|encrypted|user|role|set) $", re.IGNORECASE),
        _NEXT_STRING,
        Context.QUOTED,
    ),  # ALTER ROLE ada PASSWORD '…'
)
_MAX_BEFORE = 120
_MIN_HEADER_DISTINCT = 8


def find(text: str) -> Iterator[tuple[str, int, int]]:
    """Yield kind, start and end of each value that is a credential."""
    for index, start, _ in _AUTOMATON.find_matches_as_indexes(_lowered(text), overlapping=True):
        if index < len(_NAMES):
            word = _NAME.match(text, start)
            found = word and (_assigned(text, word) or _after(text, word))
            if word and found:
                yield ("password" if word["password"] else "key", *found)
        else:
            kind, form = _READERS[index - len(_NAMES)]
            written = form.match(text, start)
            if written and _is_one(kind, written):
                yield (kind, *written.span("value"))


def _lowered(text: str) -> str:
    """Return ``text`` in lower case, each character at its place."""
    lower = text.lower()
    return (
        lower if len(lower) == len(text) else "".join(c.lower() if len(c.lower()) == 1 else c for c in text)
    )


def _after(text: str, word: re.Match[str]) -> tuple[int, int] | None:
    """Find the value of a name that no sign follows."""
    for before, behind, context in _AFTER:
        found = behind.match(text, word.end())
        if found and before.search(text, max(0, word.start() - _MAX_BEFORE), word.start()):
            is_password = word["password"] is not None or context is Context.VARIABLE
            return (
                found.span("value")
                if is_credential(found["value"], context, is_password=is_password)
                else None
            )
    return None


def _assigned(text: str, word: re.Match[str]) -> tuple[int, int] | None:
    behind = _BEHIND.match(text, word.end())
    if behind is None:
        return None
    before = _NAME_CHARS.search(text, max(0, word.start() - 64), word.start())
    prefix = before[0] if before else ""
    if (prefix and not _begins_word(prefix, word[0])) or _OTHER_TOKENS.search(prefix):
        return None
    start = behind.end()
    quote = behind["quote"]
    if quote:
        pattern = _QUOTED_VALUE.get(quote[-1], _ANY_QUOTED)
    elif behind["sign"].strip().startswith(">"):
        pattern = _XML_VALUE
    else:
        pattern = _BARE_VALUE
    found = pattern.match(text, start)
    if found is None:
        return None
    if word[0].lower() == "pass" and not prefix and not quote and behind["sign"].strip() != "=":
        return None  # the result of a test: "PASS: TestLogin2"
    value = found[0] if quote else _IN_PROSE.sub("", found[0])
    context = _context(prefix + word[0], behind, value)
    if context is None or not is_credential(value, context, is_password=word["password"] is not None):
        return None
    return start, start + len(value)


def _context(name: str, behind: re.Match[str], value: str) -> Context | None:
    quote = behind["quote"]
    if " " in value.strip() and not name.lower().endswith("passphrase"):
        return None
    if behind["is"]:
        return Context.PROSE
    if name.isupper() and (behind["sign"] == "=" or (behind["sign"].startswith(":") and "_" in name)):
        return Context.VARIABLE
    return Context.QUOTED if quote or behind["sign"].strip().startswith(">") else Context.NAME


def _begins_word(prefix: str, word: str) -> bool:
    """Tell whether the word begins in a longer name: ``db_pass``, ``dbPassword``, no ``bypass``."""
    last = prefix[-1]
    return (
        last in "_.-"
        or last.isdigit()
        or (word[0].isupper() and last.islower())
        or word.lower() == "password"
    )


def _is_one(kind: str, found: re.Match[str]) -> bool:
    value = found["value"]
    if kind == "header":
        return len(set(value)) >= _MIN_HEADER_DISTINCT and any(char.isdigit() for char in value)
    if kind == "url" and value == found["user"]:
        return False
    context = Context.QUOTED if kind in ("sql", "option") else Context.VARIABLE
    return is_credential(value, context, is_password=True)
