"""What is different between two policies, in words."""

import pytest

from stile_filter.guard.policy import Policy
from stile_filter.policies.changes import changes

BEFORE = """
keywords:
- {id: rude, category: rudeness, phrases: [darn, heck], except: [darn good]}
- {id: exam, category: exam, phrases: [exam 2031]}
input_scanners:
- {type: Regex, params: {patterns: [a]}}
answer_tokens: 1024
tests: {refuse: [darn]}
"""

CASES = {
    "nothing": ("", "", []),
    "a rule is removed": (
        "- {id: exam, category: exam, phrases: [exam 2031]}\n",
        "",
        ["rule exam is removed"],
    ),
    "a rule is added": (
        "answer_tokens",
        "- {type: Secrets, action: monitor}\nanswer_tokens",
        ["rule Secrets is added: the scanner Secrets, monitor"],
    ),
    "an action": (
        "category: exam,",
        "category: exam, action: monitor,",
        ["rule exam: action: refuse becomes monitor"],
    ),
    "phrases": (
        "[darn, heck]",
        "[heck, gosh, golly]",
        ["rule rude: phrases added: 'gosh', 'golly'", "rule rude: phrase removed: 'darn'"],
    ),
    "many phrases": (
        "[exam 2031]",
        "[exam 2031, a1, a2, a3, a4, a5, a6, a7, a8, a9, a10]",
        ["rule exam: phrases added: 'a1', 'a2', 'a3', 'a4', 'a5', 'a6', 'a7', 'a8' and 2 more"],
    ),
    "an exception": (
        "except: [darn good]",
        "except: []",
        ["rule rude: exception removed: 'darn good'"],
    ),
    "a parameter": ("[a]", "[b]", ["rule Regex: params.patterns: ['a'] becomes ['b']"]),
    "a setting": ("1024", "512", ["answer_tokens: 1024 becomes 512"]),
    "a setting that was not there": (
        "answer_tokens",
        "system_prompt: Be kind.\nanswer_tokens",
        ["system_prompt: nothing becomes Be kind."],
    ),
    "tests": ("[darn]}", "[darn, heck]}", ["tests.refuse: 1 added, 0 removed"]),
}


@pytest.mark.parametrize("case", CASES)
def test_each_kind_of_change(tmp_path, case):
    """One sentence for each, and nothing for what is the same."""
    old, new, sentences = CASES[case]
    assert old in BEFORE
    (tmp_path / "a.yml").write_text(BEFORE)
    (tmp_path / "b.yml").write_text(BEFORE.replace(old, new, 1) if old else BEFORE)
    assert changes(Policy(tmp_path / "a.yml"), Policy(tmp_path / "b.yml")) == sentences


def test_the_order_of_rules(tmp_path):
    """It decides which category a refusal has."""
    first, second = ("- {id: a, category: a, phrases: [x]}\n", "- {id: b, category: b, phrases: [x]}\n")
    (tmp_path / "a.yml").write_text(f"keywords:\n{first}{second}")
    (tmp_path / "b.yml").write_text(f"keywords:\n{second}{first}")
    [sentence] = changes(Policy(tmp_path / "a.yml"), Policy(tmp_path / "b.yml"))
    assert sentence.startswith("the order of the rules has changed")


def test_a_word_list_counts(tmp_path):
    """What is in a file is compared, not its name."""
    (tmp_path / "one.txt").write_text("darn\n")
    (tmp_path / "two.txt").write_text("darn\nheck\n")
    for name in ("one", "two"):
        (tmp_path / f"{name}.yml").write_text(f"keywords: [{{id: a, category: a, files: [{name}.txt]}}]\n")
    [sentence] = changes(Policy(tmp_path / "one.yml"), Policy(tmp_path / "two.yml"))
    assert sentence == "rule a: phrase added: 'heck'"
