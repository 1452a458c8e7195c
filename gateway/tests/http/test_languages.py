"""The languages of the page: each is complete, and no visible words stand anywhere else."""

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

import stile_gateway
from stile_contracts.errors import ErrorCode
from stile_gateway.http import page

FOLDER = Path(stile_gateway.__file__).parent / page.FOLDER
LANGUAGES = sorted((FOLDER / "languages").glob("*.js"))
SCRIPTS = sorted(
    path for path in FOLDER.rglob("*.js") if not {"languages", "vendor"} & set(path.relative_to(FOLDER).parts)
)
STRING = r'"(?:[^"\\\n]|\\.)*"'
TOKEN = re.compile(rf"(?P<comment>//[^\n]*|/\*.*?\*/)|(?P<string>{STRING}|`(?:[^`\\]|\\.)*`)", re.DOTALL)
PLACE = re.compile(r"\{(\w+)\}")
READ_ATTRIBUTES = {"alt", "aria-label", "aria-description", "label", "placeholder", "title"}
BRAND = {"Stile"}
"""The same in each language."""
NOT_READ = {
    "Accept",
    "Authorization",
    "Bearer ",
    "Content-Type",
    "Idempotency-Key",
    "Last-Event-ID",
    "Prefer",
    "Stile-Trim",
    "ArrowUp",
    "Enter",
    "Escape",
    "Files",
    "There are no words for ",  # for the console
    "The browser's room is full.",  # an exception that is caught by its type
}
"""Literals that look like words, and that nobody reads on the page."""


def words_of(path):
    """Return the words of a language, each a text or its plural forms."""
    [body] = re.findall(r"^export const words = (\{.*\});$", path.read_text(), re.DOTALL | re.MULTILINE)

    def as_json(match):
        token = match[0]
        if token.startswith('"'):
            return token
        return f'"{token}"' if token[0].isalpha() else token[1:].lstrip()

    tokens = rf"{STRING}|\b[A-Za-z_]\w*(?=:)|//[^\n]*|/\*.*?\*/|,\s*\}}"
    no_comments = re.sub(
        rf"({STRING})|//[^\n]*|/\*.*?\*/", lambda match: match[1] or "", body, flags=re.DOTALL
    )
    return json.loads(re.sub(tokens, as_json, no_comments, flags=re.DOTALL))


def forms(entry):
    return list(entry.values()) if isinstance(entry, dict) else [entry]


def places(entry):
    return set(PLACE.findall(" ".join(forms(entry))))


def literals(path):
    """Yield the parts of a script's strings that are fixed."""
    for match in TOKEN.finditer(path.read_text()):
        if literal := match["string"]:
            yield from re.split(r"\$\{.*?\}", literal[1:-1], flags=re.DOTALL)


class Reader(HTMLParser):
    """Collects what people read in a document; ``noscript`` is read where no language can be loaded."""

    def __init__(self):
        super().__init__()
        self.read = []
        self.keys = set()
        self._inside = []

    def handle_starttag(self, tag, attrs):
        if tag not in {"meta", "link", "input", "path", "use"}:
            self._inside.append(tag)
        self.read += [value for name, value in attrs if name in READ_ATTRIBUTES]
        self.keys |= {value for name, value in attrs if name.startswith("data-say")}

    def handle_endtag(self, tag):
        if tag in self._inside:
            while self._inside.pop() != tag:
                pass

    def handle_data(self, data):
        if "noscript" not in self._inside and data.strip():
            self.read.append(data.strip())


@pytest.fixture(scope="module")
def document():
    """What stands in index.html."""
    reader = Reader()
    reader.feed((FOLDER / "index.html").read_text())
    return reader


def test_there_are_the_languages_that_the_page_chooses_from():
    """A file for each name in the list, and none besides."""
    [names] = re.findall(r"LANGUAGES = (\[.*?\]);", (FOLDER / "language.js").read_text())
    assert sorted(json.loads(names)) == [path.stem for path in LANGUAGES]
    assert len(LANGUAGES) > 1


@pytest.mark.parametrize("path", LANGUAGES, ids=lambda path: path.stem)
def test_a_language_is_complete(path):
    """The keys of all others, the same places in each, no empty words, and no plural without `other`."""
    words, english = words_of(path), words_of(FOLDER / "languages" / "en.js")
    assert words.keys() == english.keys()
    for key, entry in words.items():
        assert places(entry) == places(english[key]), key
        assert all(form.strip() for form in forms(entry)), key
        assert isinstance(entry, dict) == isinstance(english[key], dict), key
        assert not isinstance(entry, dict) or ("other" in entry and "count" in places(entry)), key


def test_every_error_of_stile_has_words():
    """Whatever code the gateway sends."""
    words = words_of(FOLDER / "languages" / "en.js")
    assert {f"error.{code}" for code in ErrorCode} <= words.keys()


def test_all_words_that_are_named_are_there_and_all_that_are_there_are_named(document):
    """In the document and in the scripts; some names are put together from a beginning and a code."""
    words = words_of(FOLDER / "languages" / "en.js").keys()
    named, beginnings, strings = set(document.keys), set(), set()
    for path in SCRIPTS:
        text = path.read_text()
        named |= set(re.findall(r'\b(?:say|plain)\(\s*"([^"]+)"', text))
        beginnings |= set(re.findall(r"\bsay\(`([^`$]+)\$\{", text))
        strings |= set(literals(path))
    assert named <= words
    assert all(any(word.startswith(beginning) for word in words) for beginning in beginnings)
    unused = {word for word in words - named - strings if not word.startswith(tuple(beginnings))}
    assert unused == set()


def test_the_document_has_no_words_of_its_own(document):
    """They all come from a language. A manifest has one language, so it has the name alone."""
    assert set(document.read) <= BRAND
    manifest = json.loads((FOLDER / "install" / "manifest.webmanifest").read_text())
    assert {manifest["name"], manifest["short_name"]} == BRAND
    assert not {"description", "shortcuts", "screenshots"} & manifest.keys()


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: str(path.relative_to(FOLDER)))
def test_a_script_has_no_words_of_its_own(path):
    """No literal that reads like a word or a sentence, but for the names that are not read."""
    sentence = re.compile(r"[A-Za-z]{2,}[,.:;!?]? [A-Za-z]{2,}.*[.!?…]|^[“\"]?[A-Z][a-z]+(\b|$)|\w …")
    found = {text for text in literals(path) if sentence.search(text)}
    assert found - BRAND - NOT_READ == set()


@pytest.mark.parametrize(
    "literal", ["Copied", "Sending …", "is not there yet.", "No answer", "Delete “", "The model"]
)
def test_the_scan_finds_words(tmp_path, literal):
    """The test above would fail for these."""
    script = tmp_path / "words.js"
    script.write_text(f'// A comment.\nsay("copied"); show("{literal}");')
    with pytest.raises(AssertionError):
        test_a_script_has_no_words_of_its_own(script)
