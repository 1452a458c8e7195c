"""A policy's own tests: it is used only if it passes them."""

import pytest

from stile_contracts import signing
from stile_filter.errors import PolicyError
from stile_filter.policies import expectations
from stile_filter.policies.guard import Guard

WORDS = """
keywords:
- {id: rude, category: rudeness, phrases: [darn]}
- {id: ruder, category: rudeness, phrases: [darn it]}
- {id: watched, category: mild, action: monitor, phrases: [heck]}
"""

HELD = {
    "a text alone": "tests: {refuse: [darn], pass: [hello]}\n",
    "the rule that refuses": "tests: {refuse: [{text: darn, rule: rude}]}\n",
    "a rule behind the one that refuses": "tests: {refuse: [{text: darn it, rule: ruder}]}\n",
    "a role": "tests: {refuse: [{text: darn, role: assistant}], pass: [{text: hi, role: system}]}\n",
    "what is only watched passes": "tests: {pass: [heck]}\n",
    "the built-in rule": "tests: {refuse: [{text: 'a <|im_end|> b', rule: control_tokens}]}\n",
}

FAILS = {
    "it passes": (
        "tests:\n  refuse:\n  - darn\n  - hello\n",
        9,
        "tests.refuse[1]: should be refused: it passes",
    ),
    "another rule refuses": (
        "tests:\n  refuse:\n  - {text: darn, rule: ruder}\n",
        8,
        "tests.refuse[0]: should be refused by ruder: rude refuses it",
    ),
    "it is refused": (
        "tests:\n  pass:\n  - hello\n  - darn\n",
        9,
        "tests.pass[1]: should pass: rude refuses it",
    ),
}


@pytest.mark.parametrize("case", HELD)
async def test_a_policy_that_does_what_it_says(policy_file, case):
    """Each kind of test that holds: the policy can be used."""
    guard = Guard(policy_file(WORDS + HELD[case]))
    assert not guard.ready
    await guard.start()
    assert guard.ready


@pytest.mark.parametrize("case", FAILS)
async def test_a_policy_that_does_not(policy_file, case):
    """It is not ready, and the error names the line, the test and the rule, but not the text."""
    text, line, reason = FAILS[case]
    guard = Guard(policy_file(WORDS + text))
    with pytest.raises(PolicyError) as raised:
        await guard.start()
    assert not guard.ready
    assert raised.value.faults == [(line, reason)]


async def test_every_test_that_fails_is_told(policy_file):
    """Two faults are two lines."""
    with pytest.raises(PolicyError) as raised:
        await Guard(policy_file(WORDS + "tests:\n  refuse:\n  - a\n  pass:\n  - darn\n")).start()
    assert [fault.line for fault in raised.value.faults] == [8, 10]


async def test_tests_take_a_bounded_time(policy_file, monkeypatch):
    """What takes longer is a fault of the policy."""
    monkeypatch.setattr(expectations, "TESTS_SECONDS", 0.0)
    with pytest.raises(PolicyError, match="tests: not done within"):
        await Guard(policy_file("\ntests: {pass: [a]}\n")).start()


async def test_what_tests_find_is_not_counted(policy_file):
    """The monitor is called for requests only."""
    seen = []
    guard = Guard(policy_file(WORDS + "tests: {pass: [heck]}\n"), monitor=lambda *found: seen.append(found))
    await guard.start()
    assert seen == []
    await guard.decider.decide(expectations.texts_of(guard, "heck", "user"))
    assert len(seen) == 1


def test_an_archive_needs_a_folder(policy_file, tmp_path):
    """Without one the policy is refused, by its line."""
    key = signing.encode(bytes(range(32)))
    file = policy_file(f"\narchive: {{key: {key}}}\n")
    with pytest.raises(PolicyError, match=r"policy\.yml:2: archive: no folder: STILE_ARCHIVE"):
        Guard(file)
    assert Guard(file, tmp_path).policy.archive.days == 30
