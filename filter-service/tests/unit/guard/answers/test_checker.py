"""An answer in pieces: no hit is ever sent, and in the end everything harmless is sent."""

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.filter.deciding import FakeScanners
from stile_contracts.messages import AnswerPart
from stile_filter.guard.answers import AnswerChecker
from stile_filter.guard.decide import Finding, NoScanners, State
from stile_filter.guard.policy import Policy

POLICY = """
keywords:
- id: rude
  category: profanity
  phrases: [darn, dick, kill yourself, 坏蛋]
  except: [moby dick, dick van dyke]
- id: watched
  category: watched
  action: monitor
  phrases: [apple]
- id: prompts
  category: other
  applies_to: [prompt]
  phrases: [sky]
- id: nothing
  category: other
  action: "off"
  phrases: [blue]
system_prompt: >-
  You help the pupils of a workshop with wood and steel, and you never tell them where the key of the
  cabinet with the solvents is kept, which is behind the clock.
"""
RECITED = "You help the pupils of a workshop with wood and steel, and you never tell them where the key is."


@pytest.fixture(scope="module")
def checker(tmp_path_factory):
    """The keyword layer, and the rule about the system prompt."""
    file = tmp_path_factory.mktemp("policy") / "policy.yml"
    file.write_text(POLICY)
    return AnswerChecker(Policy(file), NoScanners())


async def said(checker, pieces, context=10_000):
    """Return what of an answer is sent, how it was refused, and the most that was ever held back."""
    text, released, most, monitored = "", 0, 0, []
    for index, piece in enumerate(pieces):
        text += piece
        offset = max(0, released - context)
        part = AnswerPart(
            kind="content",
            text=text[offset:],
            offset=offset,
            released=released - offset,
            closed=index == len(pieces) - 1,
        )
        verdict = await checker.check(part)
        monitored += [found.rule.id for found in verdict.monitored]
        if verdict.refused or verdict.failed:
            return text[:released], (verdict.refused or verdict.failed).rule.id, most, monitored
        assert released - offset <= verdict.release <= len(part.text)
        released = offset + verdict.release
        most = max(most, len(text) - released)
    return text[:released], None, most, monitored


@pytest.mark.parametrize(
    ("text", "sent"),
    [
        ("The sky is blue. So darn it. The end.", "The sky is blue. So "),
        ("Well, d a r n it all. The end.", "Well, "),
        ("First. Then go kill yourself now.", "First. Then go "),
        ("你好。你是坏蛋。再见", "你好。你是"),
        ("It is ZGFybg== they say. The end.", "It is "),
    ],
)
async def test_a_hit_is_never_sent_however_the_text_is_cut(checker, text, sent):
    """At every position, and with every size of the pieces; the text before it is sent."""
    for at in range(1, len(text)):
        got, rule, _, _ = await said(checker, [text[:at], text[at:]])
        assert rule == "rude"
        assert sent.startswith(got)
    for size in range(1, 9):
        pieces = [text[at : at + size] for at in range(0, len(text), size)]
        got, rule, _, _ = await said(checker, pieces)
        assert rule == "rude"
        assert sent.startswith(got)
        assert size > 1 or got == sent


@pytest.mark.parametrize(
    "text",
    [
        "The darning of socks, and a dickens of a time with Moby Dick.",
        "I like Dick Van Dyke. He danced, and they did not kill you.",
        "The sky is blue and nobody minds. 你好,坏天气。",
    ],
)
async def test_what_is_harmless_is_sent_whole(checker, text):
    """Exceptions and whole words hold at every cut, as in prompts; so do rules that are off."""
    for size in range(1, 9):
        pieces = [text[at : at + size] for at in range(0, len(text), size)]
        assert (await said(checker, pieces))[:2] == (text, None)


async def test_no_more_than_the_last_word_or_phrase_waits(checker):
    """The first word is sent as soon as it has ended; a beginning of a phrase waits for the next word."""
    text = "The colours of the morning come from light that is scattered by the air."
    assert (await said(checker, list(text)))[2] == len("scattered")
    part = AnswerPart(kind="content", text="Hello w")
    assert (await checker.check(part)).release == len("Hello ")
    part = AnswerPart(kind="content", text="They kill ")
    assert (await checker.check(part)).release == len("They ")
    part = AnswerPart(kind="content", text="They kill time ")
    assert (await checker.check(part)).release == len("They kill time ")


async def test_a_monitored_rule_is_told_once(checker):
    """In a stream, each place is counted when it is sent, and not again."""
    text = "An apple a day, and one more apple for you."
    sent, rule, _, monitored = await said(checker, list(text))
    assert (sent, rule, monitored) == (text, None, ["watched", "watched"])


async def test_the_system_prompt_is_not_recited(checker):
    """A run of twelve of its words is refused; only the first three of them were sent."""
    text = f"Well. {RECITED}"
    sent, rule, _, _ = await said(checker, [word + " " for word in text.split()])
    assert rule == "system_prompt"
    assert sent == "Well. You help the "
    harmless = "I help pupils of a workshop with wood, and the key is not mine to give away."
    assert (await said(checker, [word + " " for word in harmless.split()]))[1] is None


async def test_a_cut_context_is_as_good(checker):
    """The text before the last characters is not needed to find a hit, and makes none."""
    text = "The mulberry is sweet; the adickia too. " * 20 + "So darn it. The end."
    sent, rule, _, _ = await said(checker, list(text), context=64)
    assert (sent, rule) == (text[: text.index("darn")], "rude")


async def test_a_long_word_is_not_held_for_ever(checker):
    """A word of any length is sent in part, so that memory and time stay bounded."""
    assert (await said(checker, ["x" * 10_000]))[0] == "x" * 10_000
    assert (await checker.check(AnswerPart(kind="content", text="x" * 10_000))).release == 9_700


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.sampled_from(["darn", "it ", "is ", "kill", " ", "yourself", "d", ". ", "moby ", "dick", "an "])
    ),
    st.integers(1, 12),
)
def test_any_text_in_any_pieces(checker, words, size):
    """What was sent has no hit; and it is the whole if the whole has none."""
    text = "".join(words) or "x"
    pieces = [text[at : at + size] for at in range(0, len(text), size)]
    sent, rule, _, _ = asyncio.run(said(checker, pieces))
    refuses = {0}
    if rule is None:
        assert sent == text
    else:
        assert text.startswith(sent)
        assert refuses & checker._matcher.find(text)
    assert not refuses & checker._matcher.find(sent)


async def test_scanners_of_answers_see_whole_sentences(policy_file):
    """A scanner holds a sentence back; what fails is not sent, and what it refuses is refused."""
    policy = Policy(
        policy_file(
            "input_scanners:\n- {type: TrainedHarm, id: harm, applies_to: [answer]}\n- type: Secrets\n"
        )
    )
    scanners = FakeScanners()
    checker = AnswerChecker(policy, scanners)
    part = AnswerPart(kind="content", text="One is fine. Two is no")
    assert (await checker.check(part)).release == len("One is fine.")
    scanners.says = scanners.says._replace(findings=[Finding("harm", 0, State.REFUSE)])
    assert (await checker.check(part)).refused.rule.id == "harm"
    scanners.says = scanners.says._replace(findings=(), failure=State.TIMEOUT)
    assert (await checker.check(part)).failed.state is State.TIMEOUT


async def test_secrets_are_looked_for_where_one_may_be(policy_file):
    """The slow scanner sees the line of a token that may be one, and is not asked about prose."""
    scanners = FakeScanners()
    checker = AnswerChecker(Policy(policy_file("input_scanners:\n- type: Secrets\n")), scanners)
    await said(
        checker, list("The sky is blue, because the air scatters light: it is internationally known. ")
    )
    assert scanners.asked == []
    await said(checker, ["Take this:\nthe key ", "AKIAIOSFODNN7EXAMPLE now"])
    assert scanners.asked == [["the key AKIAIOSFODNN7EXAMPLE now"]]
