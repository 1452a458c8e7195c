"""A wrong policy stops the start with file, line and reason; a right one is read whole."""

from pathlib import Path

import pytest

from stile_filter.errors import PolicyError
from stile_filter.guard.keywords import KeywordMatcher
from stile_filter.guard.policy import Action, Files, Policy, PolicyDocument, default_policy
from stile_filter.settings import Settings

DOCS = Path(__file__).parents[4] / "docs"

KEY = "YWJjZGVmZ2hpamtsbW5vcHFyc3R1dnd4eXoxMjM0NTY"
WATCHED = "keywords:\n- {id: a, category: b, action: monitor, phrases: [x]}\n"
WRONG = {
    "unknown key": ("limits:\n  messages: 3\n  prompt_charz: 4\n", 3, "limits.prompt_charz"),
    "wrong type": ("# one\nlimits:\n  messages: many\n", 3, "limits.messages"),
    "wrong action": ("keywords:\n- id: a\n  category: b\n  action: deny\n  phrases: [x]\n", 4, "action"),
    "missing key": ("keywords:\n- id: a\n  phrases: [x]\n", 2, "category"),
    "no YAML": ("keywords: [\nlimits: }\n", 2, "YAML"),
    "twice the same key": ("limits: {}\nlimits: {}\n", 2, "YAML"),
    "a list at the top": ("- a\n", 1, "dictionary"),
    "missing file": ("keywords:\n- id: a\n  category: b\n  files:\n  - gone.txt\n", 5, "gone.txt"),
    "nothing to look for": ("keywords:\n- id: a\n  category: b\n", 2, "files or phrases"),
    "invisible phrase": (
        'keywords:\n- id: a\n  category: b\n  phrases:\n  - x\n  - "\\u200b"\n',
        6,
        "nothing visible",
    ),
    "same id": ("input_scanners:\n- type: Secrets\n- type: Secrets\n", 3, "Secrets"),
    "missing model": (
        "input_scanners:\n- type: Toxicity\n  params:\n    model_path: nowhere\n",
        4,
        "model_path",
    ),
    "a pattern that is none": (
        "input_scanners:\n- type: Secrets\n  except_patterns:\n  - 'ok'\n  - '('\n",
        5,
        "no regular expression",
    ),
    "a pattern that matches nothing": (
        "input_scanners:\n- type: Secrets\n  except_patterns: ['a*']\n",
        3,
        "the empty text",
    ),
    "missing file of exceptions": (
        "input_scanners:\n- type: Secrets\n  except_files:\n  - gone.txt\n",
        4,
        "gone.txt",
    ),
    "optional without a model": ("input_scanners:\n- type: Secrets\n  optional: true\n", 3, "model_path"),
    "sees the ends only": (
        "input_scanners:\n- type: PromptInjection\n  params: {match_type: truncate_head_tail}\n",
        3,
        "ends only",
    ),
    "no name of a scanner": ("input_scanners:\n- type: os.system\n", 2, "package.module:Class"),
    "fail open": ("on_error: allow\n", 1, "on_error"),
    "control tokens let through": ("control_tokens: allow\n", 1, "control_tokens"),
    "a control token of the owner's": ("# one\nsystem_prompt: Be kind.<|im_end|>\n", 2, "control token"),
    "a control token in a topic": ("topics:\n  allow: ['[INST]']\n", 1, "control token"),
    "the built-in rule's id": (
        "keywords:\n- {id: control_tokens, category: a, phrases: [x]}\n",
        2,
        "control_tokens",
    ),
    "a test of no rule": ("tests:\n  refuse:\n  - a\n  - {text: b, rule: gone}\n", 4, "'gone' is not there"),
    "a test of a rule that monitors": (
        f"{WATCHED}tests:\n  refuse:\n  - {{text: x, rule: a}}\n",
        5,
        "'a' only monitors",
    ),
    "a test without a text": ("tests:\n  pass:\n  - a\n  - {role: user}\n", 4, "text"),
    "a test of no role": ("tests:\n  pass:\n  - {text: a, role: wizard}\n", 3, "role"),
    "a rule that must let pass": ("tests:\n  pass:\n  - {text: a, rule: b}\n", 3, "rule"),
    "a test that is too long": (f"tests:\n  pass:\n  - {'a' * 4001}\n", 3, "4000"),
    "too many tests": (f"tests:\n  pass: [{', '.join('a' * 501)}]\n", 2, "500"),
    "an archive without a key": ("# one\narchive: {days: 3}\n", 2, "archive.key"),
    "no key": ("archive:\n  days: 3\n  key: abc\n", 3, "archive.key"),
    "a key that is too short": ("archive:\n  key: YWJj\n", 2, "32 bytes"),
    "an archive of what": (f"archive:\n  keep: everything\n  key: {KEY}\n", 2, "keep"),
    "an archive of no time": (f"archive:\n  days: 0\n  key: {KEY}\n", 2, "days"),
    "date of month 13": ("system_prompt: 2020-13-01\n", 1, ""),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_policy_names_its_line(policy_file, case):
    """Each kind of fault is told with the line it stands in."""
    text, line, reason = WRONG[case]
    file = policy_file(text)
    with pytest.raises(PolicyError) as raised:
        Policy(file)
    assert raised.value.faults[0].line == line, str(raised.value)
    assert reason in raised.value.faults[0].reason
    assert str(raised.value).startswith(f"{file}:{line}: ")


def test_every_fault_is_told(policy_file):
    """Two faults are two lines, in the file's order."""
    with pytest.raises(PolicyError) as raised:
        Policy(policy_file("scan_processes: 0\nallow_system: maybe\n"))
    assert [fault.line for fault in raised.value.faults] == [1, 2]


def test_a_policy_that_is_not_there(tmp_path):
    """A missing file is a fault of its own, not a traceback."""
    with pytest.raises(PolicyError, match="No such file"):
        Policy(tmp_path / "none.yml")


def test_the_default_policy():
    """What comes with the service can be read: word lists, four scanners, the documented limits."""
    policy = Policy(default_policy())
    languages = ["de", "fr", "es", "ru", "zh"]
    assert [rule.id for rule in policy.keywords] == [
        "profanity",
        *(f"profanity-{name}" for name in languages),
    ]
    assert [rule.type for rule in policy.scanners][:4] == [
        "HiddenText",
        "Credentials",
        "TrainedInjection",
        "TrainedHarm",
    ]
    # Whether their models were downloaded here or not.
    optional = {rule.id for rule in policy.scanners[4:]} | set(policy.absent)
    assert optional == {"PromptInjection", "Toxicity", "PromptGuard"}
    assert policy.limits.model_dump() == {
        "prompt_chars": 32768,
        "message_chars": 32768,
        "messages": 200,
        "max_waiting_per_client": 50,
        "schema_cost": 500,
    }
    assert policy.refusal("secrets") != policy.refusal("profanity") == policy.refusals.default


def test_an_empty_policy_allows_everything(policy_file):
    """Nothing is asked for, so nothing is refused, and the limits hold."""
    policy = Policy(policy_file(""))
    assert (policy.scanners, policy.keywords, policy.system_prompt) == ([], [], None)


def test_words_are_part_of_the_version(policy_file, tmp_path):
    """Another word in a list's file is another policy."""
    (tmp_path / "words.txt").write_text("# a comment\none\n\ntwo words\n")
    file = policy_file("keywords:\n- {id: a, category: b, files: [words.txt], action: monitor}\n")
    before = Policy(file)
    assert before.phrases[0].banned == ["one", "two words"]
    assert before.keywords[0].action is Action.MONITOR
    (tmp_path / "words.txt").write_text("one\n")
    assert Policy(file).version != before.version


def test_scanner_names(policy_file):
    """Ids and categories come from the type where the policy gives none."""
    policy = Policy(
        policy_file(
            "input_scanners:\n- type: PromptInjection\n- {type: 'mine.scan:NoMaths', category: maths}\n"
        )
    )
    assert [(rule.id, rule.category, rule.line) for rule in policy.scanners] == [
        ("PromptInjection", "prompt_injection", 2),
        ("NoMaths", "maths", 3),
    ]


def test_the_documented_example(tmp_path):
    """The worked example of docs/policy.md can be read and does what the page says."""
    page = (DOCS / "policy.md").read_text().partition("## A worked example")[2]
    example = page.partition("```yaml\n")[2].partition("```")[0]
    (tmp_path / "policy.yml").write_text(example)
    (tmp_path / "wordlists").symlink_to(default_policy().parent / "wordlists")
    policy = Policy(tmp_path / "policy.yml")
    matcher = KeywordMatcher(policy.phrases)
    assert matcher.find("How do I glue a butt joint?") == set()
    [exam] = matcher.find("What comes in Exam  2031?")
    assert policy.refusal(policy.keywords[exam].category) == "Ask your teacher about the exam."


def test_every_key_is_documented():
    """docs/policy.md has a row for each key of the file's top level."""
    page = (DOCS / "policy.md").read_text()
    assert [
        name for name in PolicyDocument.model_fields if f"| `{name}" not in page and f", `{name}`" not in page
    ] == []


def test_every_variable_is_documented():
    """docs/configuration.md has a row for each variable."""
    page = (DOCS / "configuration.md").read_text()
    assert [name for name in Settings.model_fields if f"| `STILE_{name.upper()}`" not in page] == []


def test_topics_join_the_system_prompt(policy_file):
    """The allow-list of topics is a part of what the model is told first."""
    policy = Policy(policy_file("system_prompt: Be kind.\ntopics: {allow: [wood, steel], otherwise: No.}\n"))
    assert policy.system_prompt.startswith("Be kind.\n\n")
    assert "wood; steel" in policy.system_prompt
    assert "No." in policy.system_prompt


def test_an_optional_scanner_waits_for_its_model(policy_file, tmp_path):
    """It is off without its folder and on with it, and the policy's version is not the same."""
    text = "input_scanners:\n- type: Toxicity\n  optional: true\n  params: {model_path: toxicity}\n"
    off = Policy(policy_file(text))
    assert (off.scanners, off.absent) == ([], ["Toxicity"])
    (tmp_path / "toxicity").mkdir()
    (tmp_path / "toxicity" / "config.json").touch()
    on = Policy(policy_file(text))
    assert ([rule.id for rule in on.scanners], on.absent) == (["Toxicity"], [])
    assert on.version != off.version
    assert off.layers == ["on: control_tokens", "off, no model: Toxicity"]
    assert on.layers == ["on: control_tokens, Toxicity"]


def test_a_model_is_found_in_the_folder_of_the_weights(policy_file, tmp_path):
    """`../models/NAME` is looked for there, too. A model that is downloaded later changes the policy."""
    home = tmp_path / "home"
    scanner = "{type: Toxicity, optional: true, params: {model_path: ../models/no-such-model}}"
    text = f"input_scanners: [{scanner}]\n"
    files = Files(weights=home / "models")
    assert Policy(policy_file(text), files).absent == ["Toxicity"]
    (home / "models" / "no-such-model").mkdir(parents=True)
    (home / "models" / "no-such-model" / "config.json").touch()
    assert files.have_changed()
    policy = Policy(policy_file(text), files.again(policy_file(text)))
    assert [rule.id for rule in policy.scanners] == ["Toxicity"]


def test_the_folder_of_the_weights(monkeypatch, tmp_path):
    """It is in STILE_HOME, unless STILE_MODELS_DIR names another one."""
    assert Settings().weights is None
    monkeypatch.setenv("STILE_HOME", str(tmp_path))
    assert Settings().weights == tmp_path / "models"
    monkeypatch.setenv("STILE_MODELS_DIR", str(tmp_path / "disk"))
    assert Settings().weights == tmp_path / "disk"


def test_the_policy_for_schools_is_chosen_by_its_name(monkeypatch):
    """It refuses harm, which the default policy only counts, and counts worries."""
    monkeypatch.setenv("STILE_POLICY", "school")
    policy = Policy(Settings().policy)
    actions = {rule.id: rule.action for rule in [*policy.keywords, *policy.scanners]}
    assert actions["harm"] == actions["self-harm"] == Action.REFUSE
    assert actions["worries"] == Action.MONITOR
    assert policy.refusal("self_harm") != policy.refusal("harm")


def test_the_policy_for_schools_has_the_keywords_of_the_default_one():
    default, school = Policy(default_policy()), Policy(Settings(policy="school").policy)
    assert school.phrases[: len(default.phrases)] == default.phrases
    assert school.everyday == default.everyday


def test_a_copy_of_the_policy_for_schools_is_the_same_policy(tmp_path):
    """Its word lists are found, though the paths to them are those of the original."""
    original = Settings(policy="school").policy
    copy = tmp_path / "mine.yml"
    copy.write_bytes(original.read_bytes())
    assert Policy(copy).hash == Policy(original).hash


def test_a_path_is_a_path_and_no_name(tmp_path, monkeypatch):
    file = tmp_path / "school"
    monkeypatch.setenv("STILE_POLICY", str(file))
    assert Settings().policy == file
