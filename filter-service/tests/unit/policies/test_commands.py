"""``stile-filter policy``: what it prints, and its exit codes."""

import json
import time
from uuid import UUID

import pytest

from stile_filter.guard.policy import ArchiveRules
from stile_filter.policies.archive import records
from stile_filter.policies.archive.files import ArchiveFiles
from stile_filter.policies.commands import run
from stile_filter.settings import Settings

WORDS = """
keywords:
- {id: rude, category: rudeness, phrases: [darn], except: [darn good]}
- {id: watched, category: mild, action: monitor, phrases: [heck]}
tests: {refuse: [{text: darn, rule: rude}], pass: [hello]}
"""


@pytest.fixture
def policy(policy_file, monkeypatch):
    file = policy_file(WORDS)
    monkeypatch.setenv("STILE_POLICY", str(file))
    return file


def test_check_of_a_good_policy(policy, capsys):
    """Exit code 0, one line."""
    assert run(["check"]) == 0
    said = capsys.readouterr()
    assert said.out.startswith(f"{policy}: good; version ")
    assert said.out.endswith("2 rules, 2 tests passed\n")


@pytest.mark.parametrize(
    ("text", "line"),
    [("keywordz: []\n", 1), ("keywords: [\n", 2), ("tests:\n  refuse:\n  - hello\n", 3), (None, 1)],
)
def test_check_of_a_bad_policy(tmp_path, capsys, text, line):
    """Exit code 1, and the place in the file; also if there is no file."""
    file = tmp_path / "new.yml"
    if text is not None:
        file.write_text(text)
    assert run(["check", str(file)]) == 1
    said = capsys.readouterr()
    assert said.err.startswith(f"{file}:{line}: ")
    assert said.out == ""


@pytest.mark.parametrize(
    "wrong",
    [
        [],
        ["bake"],
        ["check", "a", "b"],
        ["test"],
        ["test", "x", "--role", "wizard"],
        ["diff"],
        ["diff", "a", "b", "c"],
        ["replay"],
        ["replay", "--key", "k", "--since", "soon"],
    ],
)
@pytest.mark.usefixtures("policy")
def test_wrong_use(wrong):
    """Exit code 2."""
    with pytest.raises(SystemExit) as ended:
        run(wrong)
    assert ended.value.code == 2


@pytest.mark.usefixtures("policy")
def test_a_text_that_passes_and_one_that_does_not(capsys):
    """Each rule is shown; the exit code says whether all of them passed."""
    assert run(["test", "hello, heck"]) == 0
    assert run(["test", "hello", "what a d4rn thing"]) == 1
    out = capsys.readouterr().out
    assert "watched (only monitors): finds something, view plain, characters 7 to 11" in out
    assert "rude: finds something, view leet, characters 7 to 11" in out
    assert "is refused" in out


@pytest.mark.usefixtures("policy")
def test_many_texts_for_programs(tmp_path, capsys):
    """A line each, with verdict, view and span of each rule."""
    lines = tmp_path / "lines.txt"
    lines.write_text("hello\n\ndarn good\nso darn it\n")
    assert run(["test", "--file", str(lines), "--json"]) == 1
    hello, good, bad = json.loads(capsys.readouterr().out)
    assert [one["verdict"] for one in (hello, good, bad)] == ["allow", "allow", "refuse"]
    [rude] = [rule for rule in bad["rules"] if rule["rule"] == "rude"]
    assert (rude["view"], rude["span"], rude["location"], rude["action"]) == (
        "plain",
        [3, 7],
        "messages[0]",
        "refuse",
    )
    assert {rule["rule"] for rule in hello["rules"]} == {"control_tokens", "rude", "watched"}


@pytest.mark.usefixtures("policy")
def test_a_test_by_a_policy_that_is_bad(tmp_path, capsys):
    """No text is judged."""
    (tmp_path / "new.yml").write_text("no\n")
    assert run(["test", "hello", "--policy", str(tmp_path / "new.yml")]) == 1
    assert capsys.readouterr().out == ""


@pytest.mark.usefixtures("policy")
def test_diff(policy, tmp_path, capsys):
    """Against the policy in use, or another one; for people and for programs."""
    new = tmp_path / "new.yml"
    new.write_text(WORDS.replace("[darn]", "[darn, gosh]"))
    assert run(["diff", str(new)]) == 0
    assert capsys.readouterr().out == "rule rude: phrase added: 'gosh'\n"
    assert run(["diff", str(new), str(policy), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == ["rule rude: phrase removed: 'gosh'"]
    assert run(["diff", str(policy), str(policy)]) == 0
    assert capsys.readouterr().out == "nothing has changed\n"


def test_the_policy_in_use_may_be_a_name(capsys, monkeypatch):
    """As for the service: ``STILE_POLICY=school``."""
    monkeypatch.setenv("STILE_POLICY", "school")
    assert run(["diff", str(Settings().policy)]) == 0
    assert capsys.readouterr().out == "nothing has changed\n"


def test_a_file_that_is_gone(tmp_path, capsys):
    """One line: the file, and why."""
    file = tmp_path / "gone.txt"
    assert run(["test", "--file", str(file)]) == 1
    assert capsys.readouterr().err == f"{file}: No such file or directory\n"


def test_a_copy_finds_its_word_lists_from_anywhere(tmp_path, capsys, monkeypatch):
    """The copy of the policy that comes with Stile is the same policy; it is not written over another."""
    copy = tmp_path / "a home" / "policy.yml"
    assert run(["init", str(copy)]) == 0
    monkeypatch.chdir(tmp_path)
    assert run(["diff", str(copy)]) == 0
    assert capsys.readouterr().out.endswith("nothing has changed\n")
    copy.write_text("mine\n")
    assert run(["init", str(copy)]) == 1
    assert copy.read_text() == "mine\n"
    assert str(copy) in capsys.readouterr().err


def test_a_list_of_ones_own_comes_before_stiles(tmp_path, capsys):
    """A file of the same name beside the copy is the one that counts."""
    copy = tmp_path / "policy.yml"
    run(["init", str(copy)])
    own = tmp_path / "wordlists" / "ldnoobw" / "de.txt"
    own.parent.mkdir(parents=True)
    own.write_text("donnerwetter\n")
    assert run(["diff", str(copy)]) == 0
    assert "rule profanity-de: phrase added: 'donnerwetter'" in capsys.readouterr().out


class Kept:
    """An archive with three requests: one refused by rude, two let through, and one that is old."""

    def __init__(self, folder, key):
        self.rules = ArchiveRules(key=key)
        self.files = ArchiveFiles(folder)
        now = int(time.time() * 1000)
        self.put(now, "refuse", "rude", "so darn good")
        self.put(now, "allow", None, "what a golly day")
        self.put(now, "allow", None, "hello")
        self.put(now - 8 * 86_400_000, "allow", None, "golly, how old")

    def put(self, at_ms, state, rule, prompt):
        self.put_body(at_ms, state, rule, {"prompt": prompt})

    def put_body(self, at_ms, state, rule, body):
        record = records.Record(
            at_ms=at_ms,
            id=UUID(int=1),
            client="http-ada",
            policy="0" * 12,
            state=state,
            rule=rule,
            view=None,
            location=None,
            body=json.dumps(body),
        )
        self.files.append(records.seal(record, self.rules.key), self.rules)


@pytest.fixture
def replayed(tmp_path, monkeypatch, capsys):
    """Replay the archive with a policy that lets one pass and refuses another."""
    key = tmp_path / "archive.key"
    assert run(["archive-key", str(key)]) == 0
    public = capsys.readouterr().out.rpartition("key: ")[2].strip().rstrip("}")
    Kept(tmp_path / "archive", public)
    new = tmp_path / "new.yml"
    new.write_text(
        "keywords:\n"
        "- {id: rude, category: rudeness, phrases: [darn], except: [so darn good]}\n"
        "- {id: mild, category: mild, phrases: [golly]}\n"
    )
    monkeypatch.setenv("STILE_ARCHIVE", str(tmp_path / "archive"))

    def replay(*options, key=key):
        code = run(["replay", "--key", str(key), "--policy", str(new), *options])
        return code, capsys.readouterr()

    return replay


def test_replay_says_what_a_rule_would_do(replayed):
    """It counts what it would refuse and what it would let through, and shows no text."""
    code, said = replayed()
    assert code == 0
    assert said.out.splitlines() == [
        "3 requests judged again",
        "rude refused 1; 1 of them would pass now",
        "mild would refuse 1; 1 of them had passed",
    ]
    code, said = replayed("--since", "2w")
    assert "mild would refuse 2; 2 of them had passed" in said.out
    assert "golly" not in said.out


@pytest.mark.parametrize(
    ("setting", "roles"),
    [
        ("client_system: as_user", ["user", "assistant", "system"]),
        ("trim: oldest", ["system", "user", "assistant", "user"]),
    ],
)
def test_replay_reads_a_conversation_as_the_policy_has_it_sent(tmp_path, capsys, setting, roles):
    """A word that comes together only if system messages are the user's, or if the oldest exchange goes."""
    key, policy = tmp_path / "archive.key", tmp_path / "new.yml"
    run(["archive-key", str(key)])
    archive = Kept(tmp_path / "archive", capsys.readouterr().out.rpartition("key: ")[2].strip().rstrip("}"))
    texts = ["so da", *["well"] * (len(roles) - 2), "rn it"]
    messages = [{"role": role, "content": text} for role, text in zip(roles, texts, strict=True)]
    archive.put_body(int(time.time() * 1000), "allow", None, {"messages": messages})
    replay = ["replay", "--archive", str(tmp_path / "archive"), "--key", str(key), "--policy", str(policy)]
    rule = "keywords: [{id: rude, category: rudeness, phrases: [darn], except: [darn good]}]\n"
    policy.write_text(rule)
    run(replay)
    assert "rude would refuse" not in capsys.readouterr().out
    policy.write_text(f"{rule}{setting}\n")
    run(replay)
    assert "rude would refuse 1; 1 of them had passed" in capsys.readouterr().out


def test_replay_shows_texts_if_asked(replayed):
    """The requests whose result would change."""
    _, said = replayed("--show", "--json")
    summary = json.loads(said.out)
    assert summary["newly_refused"] == {"mild": 1}
    assert [json.loads(one["body"])["prompt"] for one in summary["changed"]] == [
        "so darn good",
        "what a golly day",
    ]
    assert [one["now_refused_by"] for one in summary["changed"]] == [[], ["mild"]]


def test_replay_with_another_key(replayed, tmp_path, capsys):
    """No record can be read, and the output says so."""
    run(["archive-key", str(tmp_path / "other.key")])
    capsys.readouterr()
    _, said = replayed(key=tmp_path / "other.key")
    assert said.out.splitlines()[:2] == [
        "0 requests judged again",
        "4 could not be read: sealed to another key, or damaged",
    ]


def test_replay_without_an_archive(replayed, tmp_path):
    """Exit code 1, with the folder's name."""
    code, said = replayed("--archive", str(tmp_path / "nowhere"))
    assert code == 1
    assert "nowhere: there is no archive" in said.err


@pytest.fixture
def places(tmp_path, monkeypatch, policy_file):
    """A folder to be in, and STILE_HOME; the policy in use is elsewhere."""
    monkeypatch.setenv("STILE_POLICY", str(policy_file(WORDS)))
    here, home = tmp_path / "here", tmp_path / "home"
    here.mkdir()
    home.mkdir()
    monkeypatch.setenv("STILE_HOME", str(home))
    monkeypatch.chdir(here)
    return here, home


def test_a_bare_name_is_looked_for_here_and_at_home(places, capsys):
    """A file of this folder comes before one of STILE_HOME; of a path nothing is guessed."""
    here, home = places
    (home / "new.yml").write_text(WORDS.replace("darn", "gosh"))
    assert run(["check", "new.yml"]) == 0
    assert run(["diff", "new.yml"]) == 0
    assert run(["test", "--policy", "new.yml", "gosh"]) == 1
    (here / "new.yml").write_text(WORDS.replace("darn", "golly"))
    assert run(["test", "--policy", "new.yml", "gosh"]) == 0
    (home / "lines.txt").write_text("golly\n")
    assert run(["test", "--policy", "new.yml", "--file", "lines.txt"]) == 1
    out = capsys.readouterr().out
    assert "new.yml: good" in out
    assert "'gosh'" in out
    assert run(["check", "./new.yml"]) == 0
    assert run(["check", "elsewhere/new.yml"]) == 1
    assert capsys.readouterr().err.startswith("elsewhere/new.yml:1: can't be read")


@pytest.mark.usefixtures("places")
def test_a_name_of_a_policy_that_comes_with_stile(capsys):
    """As STILE_POLICY takes it."""
    assert run(["diff", "school"]) == 0
    assert "rule worries is added" in capsys.readouterr().out


@pytest.mark.parametrize(
    "command",
    [
        ["check", "new.yml"],
        ["diff", "new.yml"],
        ["test", "--policy", "new.yml", "x"],
        ["test", "--file", "new.yml"],
        ["replay", "--archive", ".", "--key", "new.yml"],
    ],
)
def test_a_name_that_nothing_has(places, capsys, command):
    """One line says where it was looked for."""
    here, home = places
    assert run(command) == 1
    said = capsys.readouterr().err
    assert said.startswith(f"new.yml: no such file in {here} or in {home}; give its path")
    assert said.count("\n") == 1
    assert ("school" in said) is (command[-1] != "new.yml" or command[0] in ("check", "diff"))
