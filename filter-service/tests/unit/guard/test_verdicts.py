"""A text's verdict is kept: what makes it another text, what is forgotten, what is never kept."""

import asyncio
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.filter.deciding import SCANS, WORDS, FakeScanners
from stile_contracts.messages import ChatRequest
from stile_filter.guard.decide import Decider, Finding, ScanResult, State, Verdict
from stile_filter.guard.policy import Policy
from stile_filter.guard.texts import RequestTexts, Text
from stile_filter.guard.texts.edges import EDGE_CHARS
from stile_filter.guard.verdicts import Verdicts

REFUSED = {"Word": "apple", "Watch": "pear"}
"""What each scanner of ``SCANS`` looks for."""


class WordScanners:
    """Finds the words of ``REFUSED``, and remembers what it was asked."""

    def __init__(self):
        self.asked = []

    async def scan(self, texts, client=""):
        del client
        self.asked += texts
        return ScanResult(
            [
                Finding(rule, index, State.REFUSE)
                for index, text in enumerate(texts)
                for rule, word in REFUSED.items()
                if word in text.replace("\n", "")
            ]
        )


class Judging:
    """A decider, and what its monitor was called with."""

    def __init__(self, policy, scanners=None):
        self.scanners = scanners or WordScanners()
        self.monitored = []
        self.decider = Decider(
            policy, self.scanners, lambda rule, *seen: self.monitored.append((rule.id, *seen))
        )

    async def decide(self, *turns, model=None, **fields):
        """Judge a conversation; return the verdict and what monitor rules found."""
        self.monitored.clear()
        messages = [{"role": role, "content": content} for role, content in turns]
        request = ChatRequest.model_validate_json(
            json.dumps({"messages": messages, "model": model, **fields})
        )
        verdict = await self.decider.decide(RequestTexts(request))
        return verdict, list(self.monitored)


@pytest.fixture
def policy(policy_file):
    return Policy(policy_file(SCANS))


async def test_the_next_turn_costs_its_message_and_its_seams(policy):
    """What was scanned in the turns before is not scanned again."""
    judging = Judging(policy)
    history = [("user", "one " * 300), ("assistant", "two " * 300), ("user", "three " * 300)]
    await judging.decide(*history)
    judging.scanners.asked.clear()
    await judging.decide(*history, ("assistant", "four " * 300), ("user", "five " * 300))
    new = [text for text in judging.scanners.asked if "four" in text or "five" in text]
    assert judging.scanners.asked == new
    assert sum(map(len, new)) <= len("four " * 300 + "five " * 300) + 3 * (2 * EDGE_CHARS + 1)


async def test_a_history_of_many_turns_costs_the_same(policy):
    """The work of a turn does not grow with the turns before it."""
    judging = Judging(policy)
    history, work = [], []
    for number in range(40):
        history += [("user", f"question {number} " * 60), ("assistant", f"answer {number} " * 60)]
        judging.scanners.asked.clear()
        await judging.decide(*history)
        work.append(sum(map(len, judging.scanners.asked)))
    assert max(work[2:]) < 1.1 * min(work[2:])


@pytest.mark.parametrize(
    ("other", "scanned"),
    [
        ({"turns": [("user", "hello")], "model": "small"}, []),
        ({"turns": [("assistant", "hello")], "model": "small"}, ["hello"]),
        ({"turns": [("user", "hello")], "model": "large"}, ["hello"]),
        ({"turns": [("user", "hello ")], "model": "small"}, ["hello "]),
    ],
    ids=["the same", "another role", "another model", "another text"],
)
async def test_what_makes_it_another_text(policy, other, scanned):
    """A verdict counts for the same text, of the same role, for the same model."""
    judging = Judging(policy)
    await judging.decide(("user", "hello"), model="small")
    judging.scanners.asked.clear()
    await judging.decide(*other["turns"], model=other["model"])
    assert judging.scanners.asked == scanned


async def test_another_policy_knows_nothing(policy, policy_file):
    """A verdict of one policy does not count for another with the same scanners."""
    text = Text(("hello",), "prompt", "user")
    assert Verdicts("a").key("keywords", None, text) != Verdicts("a").key("keywords", None, text)
    first = Judging(policy)
    assert (await first.decide(("user", "gosh")))[0].state is State.ALLOW
    stricter = Judging(Policy(policy_file(SCANS.replace("darn", "gosh"))), first.scanners)
    assert (await stricter.decide(("user", "gosh")))[0].state is State.REFUSE


def test_a_line_that_moves_to_another_list_changes_the_policy(tmp_path):
    """The policy's hash says which words are in which file."""
    versions = set()
    for one, two in (("gosh\n", "heck\nzounds\n"), ("gosh\nheck\n", "zounds\n")):
        (tmp_path / "one.txt").write_text(one)
        (tmp_path / "two.txt").write_text(two)
        rule = "- {{id: {0}, category: c, files: [{0}.txt]}}\n"
        (tmp_path / "policy.yml").write_text("keywords:\n" + rule.format("one") + rule.format("two"))
        versions.add(Policy(tmp_path / "policy.yml").version)
    assert len(versions) == 2


async def test_what_a_monitor_rule_found_is_told_each_time(policy):
    """A kept verdict is logged and counted as a new one is, of keywords and of scanners."""
    judging = Judging(policy)
    first = await judging.decide(("user", "heck, a pear"))
    assert first[1] == [("watched", "messages[0]", State.REFUSE), ("Watch", "messages[0]", State.REFUSE)]
    judging.scanners.asked.clear()
    assert await judging.decide(("user", "heck, a pear")) == first
    assert judging.scanners.asked == []


@pytest.mark.parametrize(
    "first",
    [
        ScanResult((), State.TIMEOUT, complete=False),
        ScanResult((), State.TOO_SLOW, complete=False),
        ScanResult((), State.ERROR, complete=False),
        ScanResult([Finding("Word", 0, State.ERROR)]),
        ScanResult([Finding("Watch", 0, State.ERROR)]),
        ScanResult((), complete=False),
    ],
    ids=["timeout", "too slow", "ended", "raised", "a watcher raised", "a watcher was ended"],
)
async def test_what_was_not_scanned_is_scanned_again(policy, first):
    """No failure is kept, neither as a pass nor as a refusal."""
    scanners = FakeScanners()
    scanners.says = first
    judging = Judging(policy, scanners)
    await judging.decide(("user", "hello"))
    scanners.says = ScanResult([Finding("Word", 0, State.REFUSE), Finding("Watch", 0, State.REFUSE)])
    verdict, monitored = await judging.decide(("user", "hello"))
    assert len(scanners.asked) == 2
    assert (verdict.state, verdict.location) == (State.REFUSE, "messages[0]")
    scanners.says = ScanResult(())
    assert (await judging.decide(("user", "hello")))[0] == verdict
    del monitored


async def test_what_lies_across_two_messages_is_found(policy):
    """By keywords and scanners, at the seam of two long texts, with and without the answers between."""
    judging = Judging(policy)
    long = "Nothing to see in this sentence. " * 100
    for turns, rule in (
        ([("user", long + "two"), ("user", "words " + long)], "rude"),
        ([("user", long + "app"), ("user", "le " + long)], "Word"),
        ([("user", long + "app"), ("assistant", long), ("user", "le " + long)], "Word"),
        ([("user", "a"), ("user", "p"), ("user", "p"), ("user", "l"), ("user", "e")], "Word"),
    ):
        for _ in range(2):
            verdict, _ = await judging.decide(*turns)
            assert (verdict.rule and verdict.rule.id, verdict.location) == (rule, "joined")


async def test_a_late_request_is_no_longer_scanned(policy):
    """Its time ends between two slices."""
    judging = Judging(policy)
    request = ChatRequest(messages=[{"role": "user", "content": "hello"}])
    verdict = await judging.decider.decide(RequestTexts(request), is_late=lambda: True)
    assert verdict == Verdict(State.TIMEOUT)
    assert judging.scanners.asked == []


def test_the_one_used_longest_ago_goes_first():
    """Bounded in entries."""
    verdicts = Verdicts("p", entries=2)
    keys = [verdicts.key("keywords", None, Text((text,), "prompt")) for text in "abc"]
    verdicts.put(keys[0], ())
    verdicts.put(keys[1], ("rude",))
    assert verdicts.get(keys[0]) == ()
    verdicts.put(keys[2], ())
    assert [verdicts.get(key) for key in keys] == [(), None, ()]


def test_what_is_kept_is_bounded_in_bytes():
    """Entries with many rules take more; what is put twice is counted once."""
    verdicts = Verdicts("p", size=10_000)
    for number in range(1000):
        key = verdicts.key("keywords", None, Text((str(number),), "prompt"))
        for rules in (1, number % 50):
            verdicts.put(key, ("rude",) * rules)
        assert verdicts.size <= 10_000
    assert 5 < len(verdicts) < 40
    assert all(type(key) is bytes and len(key) == 16 for key in verdicts._found)


def test_no_two_texts_make_the_same_bytes():
    """Two parts are not one text, and a role is not a part."""
    verdicts = Verdicts("p")
    texts = [
        Text(("ab", "c"), "x"),
        Text(("a", "bc"), "x"),
        Text(("abc",), "x"),
        Text(("abc", ""), "x"),
        Text(("c",), "x", "ab"),
        Text(("\ud800",), "x"),
    ]
    keys = {verdicts.key(layer, None, text) for text in texts for layer in ("keywords", "scanners")}
    assert len(keys) == 2 * len(texts)


WORD = st.sampled_from(
    [
        "app",
        "le",
        "apple",
        "pear",
        "pe",
        "ar",
        "darn",
        "da",
        "rn",
        "two",
        "words",
        "heck",
        "fine",
        "d4rn",
        "the",
    ]
)
TURN = st.tuples(
    st.sampled_from(["user", "assistant"]),
    st.lists(WORD, max_size=4).map(" ".join),
    st.sampled_from(["", " lorem ipsum" * 80]),
).map(lambda turn: (turn[0], turn[1] + turn[2]))


@settings(max_examples=60, deadline=None)
@given(conversations=st.lists(st.lists(TURN, min_size=1, max_size=6), min_size=1, max_size=4))
def test_a_kept_verdict_is_a_fresh_one(tmp_path_factory, conversations):
    """After any conversations before, and turn by turn: the same verdict, place and monitored findings."""
    file = tmp_path_factory.mktemp("policy") / "policy.yml"
    file.write_text(SCANS)
    policy = Policy(file)

    async def compare():
        keeping = Judging(policy)
        for turns in conversations:
            for end in range(1, len(turns) + 1):
                kept = await keeping.decide(*turns[:end])
                assert kept == await Judging(policy).decide(*turns[:end])

    asyncio.run(compare())


async def test_keywords_are_not_searched_again(policy_file, monkeypatch):
    """The next turn searches its message and its seam."""
    judging = Judging(Policy(policy_file(WORDS)))
    searched = []
    matcher = judging.decider.matcher
    for name in ("find", "find_across"):
        search = getattr(matcher, name)
        monkeypatch.setattr(
            matcher, name, lambda *parts, search=search: searched.append(parts) or search(*parts)
        )
    await judging.decide(("user", "hello"), ("assistant", "hi"))
    searched.clear()
    await judging.decide(("user", "hello"), ("assistant", "hi"), ("user", "bye"))
    assert searched == [("bye",), ("hello", "hi", "bye"), ("hello", "bye")]
