"""What the pages say can be looked up: the tests that they name exist, and their links lead somewhere."""

import ast
import json
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
GUARANTEES, SECURITY = ROOT / "docs" / "guarantees.md", ROOT / "SECURITY.md"
PAGES = sorted([ROOT / "README.md", SECURITY, *ROOT.glob("docs/**/*.md"), *ROOT.glob("*/README.md")])

NAMED = re.compile(r"`([\w./-]+\.(?:py|rs))::(\w+)`")
NAMED_WITHOUT_A_FILE = re.compile(r"`test_\w+`")
SENTENCE = re.compile(r"^\d+\. .*?(?=^\d+\. |^## |\Z)", re.MULTILINE | re.DOTALL)
RUST_TEST = re.compile(r"#\[(?:tokio::)?test(?:\(.*?\))?\]\s+(?:#\[.*?\]\s+)*(?:async )?fn (\w+)")
LINK = re.compile(r"\]\(([^()\s]+)\)")
CODE = re.compile(r"^```.*?^```|`[^`\n]*`", re.MULTILINE | re.DOTALL)


@cache
def names_in(path):
    """Return the names of the tests in a file, Python's or Rust's."""
    text = path.read_text()
    if path.suffix == ".rs":
        return set(RUST_TEST.findall(text))
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    names = {node.name for node in ast.parse(text).body if isinstance(node, functions)}
    return {name for name in names if name.startswith("test_")}


def anchors_in(page):
    """Return what GitHub calls the headings of a page in links."""
    headings = re.findall(r"^#+ (.+)$", CODE.sub(_kept, page.read_text()), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def _kept(code):
    return "" if code[0].startswith("```") else code[0].strip("`")


@pytest.mark.parametrize("page", [GUARANTEES, SECURITY], ids=lambda page: page.name)
def test_every_test_that_is_named_exists(page):
    """It is in the file that is named with it; a name without a file could not be looked up."""
    text = page.read_text()
    named = NAMED.findall(text)
    assert named
    assert NAMED_WITHOUT_A_FILE.findall(text) == []
    missing = [
        f"{file}::{name}"
        for file, name in named
        if not (ROOT / file).is_file() or name not in names_in(ROOT / file)
    ]
    assert missing == []


def test_every_sentence_has_its_proof():
    """No numbered sentence of the promise stands there without a test."""
    promised, limits = GUARANTEES.read_text().split("## What is not promised")
    sentences = SENTENCE.findall(promised)
    assert len(sentences) == len(re.findall(r"^\d+\. \*\*", promised, re.MULTILINE)) > 0
    assert [sentence.splitlines()[0] for sentence in sentences if not NAMED.search(sentence)] == []
    assert SENTENCE.findall(limits) == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page):
    """Each relative link names a file of the repository and, behind a `#`, one of its headings."""
    dead = []
    for link in LINK.findall(CODE.sub("", page.read_text())):
        if re.match(r"\w+:", link):
            continue
        name, _, anchor = link.partition("#")
        target = (page.parent / name).resolve() if name else page
        inside = target.is_relative_to(ROOT) and target.exists()
        if not inside or (anchor and anchor not in anchors_in(target)):
            dead.append(link)
    assert dead == []


def test_the_streams_keep_what_is_promised():
    """On the disk, synced: a place for each id until it is settled, outcomes an hour, dead letters a week."""
    plan = json.loads((ROOT / "nats" / "streams.json").read_text())
    streams = {stream["name"]: stream for stream in plan["streams"]}
    assert {stream["storage"] for stream in streams.values()} == {"file"}
    chat = streams["CHAT"]
    assert (chat["retention"], chat["max_msgs_per_subject"]) == ("workqueue", 1)
    assert (chat["discard"], chat["discard_new_per_subject"]) == ("new", True)
    assert "max_age_seconds" not in chat
    assert streams["CHAT_RESULT"]["max_age_seconds"] == 60 * 60
    assert streams["CHAT_CONVERSATION"]["max_age_seconds"] == 60 * 60
    assert streams["CHAT_DLQ"]["max_age_seconds"] == 7 * 24 * 60 * 60
    assert "\n  sync_interval: always\n" in (ROOT / "nats" / "nats-server.conf").read_text()
    for server in ("cluster.conf", "hub.conf"):
        assert "\ninclude ./nats-server.conf\n" in (ROOT / "nats" / server).read_text(), server
