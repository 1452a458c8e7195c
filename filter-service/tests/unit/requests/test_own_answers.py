"""An answer of Stile's own that comes back is known, and nothing else passes for one (docs/adr/0033)."""

import json
from uuid import UUID

import pytest

from harness.filter.deciding import ID, Deciding, FakeScanners, calling
from stile_contracts.messages import AnswerCheck, AnswerKind, AnswerPart
from stile_filter.errors import UnavailableError
from stile_filter.guard.decide import Finding, State

POLICY = """
control_tokens: refuse
keywords:
- {id: rude, category: rudeness, phrases: [darn, two words, sweet dreams]}
- {id: watched, category: mild, action: monitor, phrases: [heck]}
input_scanners:
- {type: 'x:Word', id: scan}
"""
ANSWER = "Well, darn it: that is how it is."
ME = "http-127-0-0-1"


class Reading(FakeScanners):
    """Refuses each text with this word."""

    def __init__(self, word):
        super().__init__()
        self.word = word

    async def scan(self, texts, client="", rules=None):
        del client, rules
        self.asked.append(list(texts))
        found = [Finding("scan", at, State.REFUSE) for at, text in enumerate(texts) if self.word in text]
        return self.says._replace(findings=found)


@pytest.fixture
def deciding(tmp_path):
    file = tmp_path / "policy.yml"
    file.write_text(POLICY)
    return Deciding(file, Reading("nothing that anybody writes"))


def part(text, kind=AnswerKind.CONTENT):
    return AnswerPart(kind=kind, text=text, released=len(text), closed=True)


async def written(deciding, *texts, client=ME):
    parts = [text if isinstance(text, AnswerPart) else part(text) for text in texts]
    check = AnswerCheck(id=UUID(ID), seq=0, client=client, parts=parts)
    assert await deciding.own.remember(check)


def conversation(answer, question="And then?", first="Hello."):
    said = answer if isinstance(answer, dict) else {"role": "assistant", "content": answer}
    return {"messages": [{"role": "user", "content": first}, said, {"role": "user", "content": question}]}


async def outcome(deciding, body, **changed):
    await deciding.gateway(body, **changed)
    return deciding.outcomes[-1]


async def test_an_own_answer_comes_back(deciding):
    """What was written for a client is no reason to refuse what it asks next; it is counted."""
    assert await outcome(deciding, conversation(ANSWER)) == "refused"
    await written(deciding, ANSWER)
    assert await outcome(deciding, conversation(ANSWER), Chat_Id=ID.replace("1", "2")) == "accepted"
    assert deciding.recognised == [1]


@pytest.mark.parametrize("changed", ["  {}\n", "{}\r\n"])
async def test_space_around_it_changes_nothing(deciding, changed):
    """Some clients cut or add it."""
    await written(deciding, ANSWER)
    assert await outcome(deciding, conversation(changed.format(ANSWER))) == "accepted"


@pytest.mark.parametrize(
    "forged",
    [
        ANSWER + " More darn.",
        ANSWER.replace("Well", "well"),
        ANSWER.removesuffix("."),
        "darn",
        f"{ANSWER}\n{ANSWER}",
    ],
)
async def test_an_altered_answer_is_checked(deciding, forged):
    """A client adds to one, shortens it, or writes its own."""
    await written(deciding, ANSWER)
    assert await outcome(deciding, conversation(forged)) == "refused"


@pytest.mark.parametrize("role", ["user", "system", "tool"])
async def test_it_is_known_from_an_assistant_alone(deciding, role):
    """The same text in another's message is the client's own."""
    await written(deciding, ANSWER)
    said = {"role": role, "content": ANSWER} | ({"tool_call_id": "c1"} if role == "tool" else {})
    assert await outcome(deciding, conversation(said)) == "refused"


async def test_another_clients_answer_is_checked(deciding):
    """So no client learns what another one was answered."""
    await written(deciding, ANSWER, client="http-10-0-0-1")
    assert await outcome(deciding, conversation(ANSWER)) == "refused"


async def test_a_question_is_checked_beside_it(deciding):
    """The answer opens the way for itself only."""
    await written(deciding, ANSWER)
    assert await outcome(deciding, conversation(ANSWER, question="Say darn.")) == "refused"


@pytest.mark.parametrize(
    ("first", "answer", "question", "ended"),
    [
        ("Which are sweet?", "Dreams are.", "And then?", "accepted"),
        ("Hello.", "Sweet", "dreams", "refused"),
        ("sweet", "What is?", "dreams", "refused"),
    ],
)
async def test_what_lies_across_it(deciding, first, answer, question, ended):
    """The model's beginning is not the client's doing; what the client adds to its end is."""
    await written(deciding, answer)
    first = first.removesuffix("?") if ended == "accepted" else first
    assert await outcome(deciding, conversation(answer, question, first)) == ended


async def test_a_scanner_reads_no_part_of_it(tmp_path):
    """Neither alone, nor together with what stands beside it."""
    file = tmp_path / "policy.yml"
    file.write_text(POLICY)
    deciding = Deciding(file, Reading("strange"))
    answer = "It is strange."
    assert await outcome(deciding, conversation(answer)) == "refused"
    await written(deciding, answer)
    deciding.scanners.asked.clear()
    assert await outcome(deciding, conversation(answer), Chat_Id=ID.replace("1", "2")) == "accepted"
    deciding.store.results.clear()
    assert await outcome(deciding, conversation(answer, "A strange question?")) == "refused"


async def test_a_call_of_a_tool_comes_back(deciding):
    """With its arguments as they were, or written anew; another call is checked."""
    arguments = '{"text": "darn", "n": 1}'
    await written(deciding, part(f"say\n{arguments}", AnswerKind.CALL))
    for same in (arguments, '{"n":1.0,"text":"d\\u0061rn"}'):
        assert await outcome(deciding, conversation(calling("say", same))) == "accepted"
        deciding.store.chat.clear()
    for other in ('{"text": "darn", "n": 2}', '{"text": "darn"}'):
        assert await outcome(deciding, conversation(calling("say", other))) == "refused"
        deciding.store.results.clear()
    assert await outcome(deciding, conversation(calling("shout", arguments))) == "refused"


async def test_markers_in_it_are_broken(deciding):
    """The model reads them as text, and the approval keeps the rest."""
    answer = "ChatML ends a turn with <|im_end|>, darn."
    await written(deciding, answer)
    assert await outcome(deciding, conversation(answer)) == "accepted"
    (approval,) = deciding.store.chat.values()
    said = json.loads(approval.body)["messages"][1]["content"]
    assert said.replace("\u200b", "") == answer
    assert "<|im_end|>" not in said


async def test_nothing_is_looked_up_for_an_ordinary_conversation(deciding):
    """Nor if what is refused is no answer's."""
    looked = []
    deciding.store.before["remembers"] = lambda: looked.append(1)
    assert await outcome(deciding, conversation("Fine.")) == "accepted"
    assert await outcome(deciding, conversation("Fine.", question="darn")) == "refused"
    assert looked == []


async def test_a_monitor_rule_counts_once(deciding):
    """Though the conversation is judged twice."""
    await written(deciding, ANSWER)
    await outcome(deciding, conversation(ANSWER, question="What the heck?"))
    assert [rule.id for rule, *_ in deciding.monitored] == ["watched"]


async def test_a_stream_that_cannot_be_read_refuses_nothing_for_good(deciding):
    """The client may try again; no refusal is stored."""
    await written(deciding, ANSWER)
    deciding.store.before["remembers"] = _raise
    assert await outcome(deciding, conversation(ANSWER)) == "bus_unavailable"
    assert not deciding.store.results


async def test_no_text_is_kept(deciding):
    """And another key makes another hash of the same answer."""
    await written(deciding, ANSWER)
    (subject,) = deciding.store.written
    assert ANSWER not in subject
    other = Deciding(deciding.policy.file.path, store=deciding.store)
    await written(other, ANSWER)
    assert len(deciding.store.written) == 2


def _raise():
    raise UnavailableError("no bus")
