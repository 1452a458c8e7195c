"""What a scanner's rule excepts is no finding; nothing else passes for it."""

import pytest

from stile_filter.guard.policy import Policy
from stile_filter.guard.scanners import registry
from stile_filter.guard.scanners.excepted import Scanned, pattern_of, with_exceptions


def scan(*exceptions, word="secret"):
    """Return a scan that passes a text without ``word`` outside the exceptions."""

    def look(text):
        return Scanned(word not in text.lower(), None)

    judge = with_exceptions(look, [pattern_of(text) for text in exceptions])
    return lambda text: judge(text).passes


@pytest.mark.parametrize(
    ("text", "passes"),
    [
        ("the secret garden", True),
        ("The Secret\nGarden is a book", True),
        ("the secret garden and a secret", False),
        ("the secret gardener", False),
        ("a secret", False),
        ("nothing", True),
        ("secret garden secret garden", True),
    ],
)
def test_a_phrase(text, passes):
    """Whole words in any case; what is left of the text is scanned again."""
    assert scan("secret garden")(text) is passes


def test_signs_at_the_ends():
    """A phrase may begin and end with signs."""
    assert scan("<secret>")("a<secret>b")
    assert not scan("secret")("<secrets>")


def test_a_text_that_passes_is_scanned_once():
    """Exceptions cannot make a finding, and cost nothing without one."""
    seen = []

    def passes(text):
        seen.append(text)
        return Scanned(passes=True, score=None)

    assert with_exceptions(passes, [pattern_of("x")])("a x b").passes
    assert seen == ["a x b"]


def test_words_do_not_run_together():
    """What stood on both sides of an exception stays apart."""
    assert scan("-x-", word="ab")("a-x-b ab-x-") is False
    assert scan("-x-", word="ab")("a-x-b") is True


def test_a_whole_policy(policy_file, tmp_path):
    """Phrases, files and patterns of a policy's rule reach the scanner."""
    (tmp_path / "known.txt").write_text("# of our manual\nAPI_TOKEN=k9zebra1x2\n")
    policy = Policy(
        policy_file(
            "input_scanners:\n- type: Credentials\n  except: [AKIAIOSFODNN7EXAMPLE]\n"
            "  except_files: [known.txt]\n  except_patterns: ['demo_[0-9a-f]{8}']\n"
        )
    )
    (rule,) = policy.scanners
    judge = registry.build(rule.type, rule.params, rule.excepted)

    def passes(text):
        return judge(text).passes

    assert passes("the example key AKIAIOSFODNN7EXAMPLE of the docs")
    assert passes("run it with API_TOKEN=k9zebra1x2")
    assert passes("token: demo_0a1b2c3d")
    assert not passes("AKIAIOSFODNN7EXAMPLF")
    assert not passes("API_TOKEN=k9zebra1x3")
