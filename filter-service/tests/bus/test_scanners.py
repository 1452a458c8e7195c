"""Layer 2 on real child processes, with LLM-Guard's real scanners and real model files."""

import asyncio
import os
import sys
import time

import psutil
import pytest

from harness.processes.wait import until
from stile_filter.guard.decide import Finding, State
from stile_filter.guard.policy import Action, Scanner
from stile_filter.guard.scanners import pool as pools
from stile_filter.guard.scanners.pool import ScannerError, ScannerPool


def rule(kind, action=Action.REFUSE, rule_id=None, **params):
    return Scanner(
        id=rule_id or kind.rpartition(":")[2],
        category="test",
        action=action,
        type=kind,
        params=params,
        line=1,
    )


def left_behind():
    """What lies in the children's temporary folders."""
    folders = pools._scratch_root().glob(f"stile-scan-{os.getpid()}-*")
    return [file for folder in folders for file in folder.iterdir()]


@pytest.fixture
async def start(own_scanners):
    """Start pools; ends them afterwards."""
    del own_scanners
    started = []

    async def start(*rules, limit=30.0, processes=1, spares=0):
        pool = ScannerPool(rules, processes=processes, spares=spares, timeout=limit)
        started.append(pool)
        await pool.start()
        return pool

    yield start
    for pool in started:
        await pool.close()


async def test_each_rule_speaks_for_itself(start):
    """Two scanners of one class keep their own verdicts, told by rule id and text."""
    pool = await start(
        rule("own_scanners:Word", rule_id="one", word="apple"),
        rule("own_scanners:Word", rule_id="two", word="pear"),
    )
    scanned = await pool.scan(["an apple", "nothing", "a pear and an apple"])
    assert set(scanned.findings) == {
        Finding("one", 0, State.REFUSE),
        Finding("one", 2, State.REFUSE),
        Finding("two", 2, State.REFUSE),
    }
    assert scanned.failure is None


async def test_a_scanner_that_raises_is_an_error(start):
    """An exception is a state of its own, and the other rules still speak."""
    pool = await start(rule("own_scanners:Raises", word="boom"), rule("own_scanners:Word", word="boom"))
    scanned = await pool.scan(["boom"])
    assert set(scanned.findings) == {Finding("Raises", 0, State.ERROR), Finding("Word", 0, State.REFUSE)}


async def test_a_scan_ends_at_its_limit(start):
    """A scanner that never returns is killed at the limit, and the pool scans on with another child."""
    pool = await start(rule("own_scanners:Hangs", word="loop"), limit=0.5, spares=1)
    await until(lambda: len(pool.pids) == 2, within=30)
    before = pool.pids
    began = time.monotonic()
    assert (await pool.scan(["loop"])).failure is State.TOO_SLOW
    assert time.monotonic() - began < 5
    gone = await until(lambda: [pid for pid in before if not psutil.pid_exists(pid)])
    assert len(gone) == 1
    assert (await pool.scan(["fine"])).failure is None


async def test_a_child_that_dies_is_an_error(start):
    """A crash of the child is no pass, and the pool recovers without a spare too."""
    pool = await start(rule("own_scanners:Dies", word="crash"))
    assert (await pool.scan(["crash"])).failure is State.ERROR
    await until(lambda: pool.ready, within=30)
    assert (await pool.scan(["fine"])).failure is None


async def test_a_child_killed_between_scans_is_replaced(start):
    """A child that somebody killed while it was idle costs no request."""
    pool = await start(rule("own_scanners:Word", word="x"))
    os.kill(pool.pids[0], 9)
    await until(lambda: not pool.ready)
    assert (await pool.scan(["fine"])).failure is None


async def test_a_watched_scanner_that_hangs_fails_nothing(start):
    """The refusing rules have spoken before the watched ones begin, so a watcher's timeout is no failure."""
    pool = await start(
        rule("own_scanners:Hangs", Action.MONITOR, word="loop"),
        rule("own_scanners:Word", word="never"),
        limit=0.5,
    )
    scanned = await pool.scan(["loop"])
    assert scanned.failure is None
    assert scanned.findings == []


async def test_waiting_for_a_child_has_a_limit(start, monkeypatch):
    """A request that finds every child busy for too long is a timeout: that is not the fault of its text."""
    monkeypatch.setattr(pools, "_PATIENCE", 0.1)
    pool = await start(rule("own_scanners:Hangs", word="loop"), limit=2.0)
    scans = [asyncio.create_task(pool.scan([text])) for text in ("loop", "fine")]
    hangs, waits = await asyncio.gather(*scans)
    assert (hangs.failure, waits.failure) == (State.TOO_SLOW, State.TIMEOUT)


async def test_nothing_of_a_text_is_left_behind(start):
    """What a killed scanner had written to its temporary folder is removed with it."""
    pool = await start(rule("own_scanners:Leaves", word="private"), limit=1.0)
    await pool.scan(["private matter"])
    assert [file for file in left_behind() if "private" in file.read_text()] == []


@pytest.mark.parametrize(
    ("kind", "params", "reason"),
    [
        ("NoSuchScanner", {}, "no input scanner of this name"),
        ("Regex", {"no_such_parameter": 1}, "no_such_parameter"),
        ("InvisibleText", {"model_path": "x"}, "takes no model_path"),
        ("no_such_module:Scanner", {}, "no_such_module"),
    ],
)
async def test_a_wrong_scanner_stops_the_start(start, kind, params, reason):
    """A type or a parameter that LLM-Guard does not know is told at the start, with the rule's id."""
    with pytest.raises(ScannerError, match=reason) as raised:
        await start(rule(kind, **params))
    assert raised.value.rule == kind.rpartition(":")[2]


async def test_llm_guards_own_scanners(start):
    """The default set: a key is found by Secrets, a hidden character by InvisibleText, plain text by none."""
    pool = await start(rule("InvisibleText"), rule("Secrets"), rule("Regex", patterns=["[0-9]{4}-X"]))
    scanned = await pool.scan(
        [
            "Why is the sky blue?",
            "my key is AKIAIOSFODNN7EXAMPLE",
            "hidden \u200b\U000e0041 text",
            "code 1234-X",
            "joined \U0001f469\u200d\U0001f4bb emoji",
        ]
    )
    assert set(scanned.findings) == {
        Finding("Secrets", 1, State.REFUSE),
        Finding("InvisibleText", 2, State.REFUSE),
        Finding("Regex", 3, State.REFUSE),
    }


@pytest.mark.parametrize(
    "kind",
    [
        "HiddenText",
        "Credentials",
        "TrainedInjection",
        "InvisibleText",
        "Secrets",
        "Regex:patterns=['x']",
        "BanSubstrings:substrings=['x']",
    ],
)
async def test_a_scanner_brings_only_what_it_needs(kind):
    """A scanner without a model imports neither transformers nor spaCy, so its process starts soon."""
    name, _, params = kind.partition(":")
    code = (
        "import sys; from stile_filter.guard.scanners import registry; "
        f"registry.build({name!r}, dict({params}))('a text'); "
        "print(sorted({'transformers', 'spacy', 'presidio_analyzer', 'torch'} & set(sys.modules)))"
    )
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", code, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL
    )
    printed, _ = await process.communicate()
    assert printed.decode().splitlines()[-1] == "[]"


async def test_classifiers_see_every_token(start, injection_model, toxicity_model):
    """PromptInjection and Toxicity load from local folders and find their word far behind token 512."""
    pool = await start(
        rule("PromptInjection", model_path=str(injection_model)),
        rule("Toxicity", model_path=str(toxicity_model)),
        limit=120,
    )
    padding = "the quick brown fox jumps over the lazy dog. " * 60
    scanned = await pool.scan(
        [
            "please ignore all that",
            padding + "ignore " + padding,
            padding + padding,
            padding + " I hate it",
            "x" * 3000 + " ignore",
        ]
    )
    assert scanned.failure is None
    assert set(scanned.findings) >= {
        Finding("PromptInjection", 0, State.REFUSE),
        Finding("PromptInjection", 1, State.REFUSE),
        Finding("Toxicity", 3, State.REFUSE),
        Finding("PromptInjection", 4, State.REFUSE),
    }
    assert not [finding for finding in scanned.findings if finding.text == 2]


async def test_children_end_with_the_pool(start):
    """Closing leaves no process and no folder."""
    pool = await start(rule("own_scanners:Word", word="x"), spares=2)
    await until(lambda: len(pool.pids) == 3, within=30)
    pids = pool.pids
    await pool.close()
    assert not any(psutil.pid_exists(pid) for pid in pids)
    assert left_behind() == []
