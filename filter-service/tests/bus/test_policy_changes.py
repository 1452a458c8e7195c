"""A policy that changes while the service runs, on a real bus, with the real service."""

import asyncio
import json
import os
import signal
import urllib.request
from itertools import count

import pytest

from harness.clients.request_sender import chat_id
from harness.processes.ports import free_port
from harness.processes.wait import until

GOOD = """
keywords:
- {{id: list-{number}, category: words, phrases: [word{number}]}}
system_prompt: Policy {number}.
tests:
  refuse:
  - {{text: word{number}, rule: list-{number}}}
  pass: [harmless]
"""
BAD = (
    "keywords: [\n",
    "keywordz: []\n",
    "keywords:\n- {id: a, category: b, phrases: [harmless]}\ntests: {pass: [harmless]}\n",
    "input_scanners:\n- {type: Regex, params: {pattern: x}}\n",
    "keywords:\n- {id: a, category: b, files: [gone.txt]}\n",
)
"""No YAML, an unknown key, a test that fails, a scanner that can't be built, a list that is not there."""


def good(number):
    return GOOD.format(number=number)


def put(file, text):
    """Replace the file at once."""
    draft = file.with_name("draft.yml")
    draft.write_text(text)
    draft.replace(file)


def metrics(port):
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as page:
        lines = page.read().decode().splitlines()
    return dict(line.rsplit(" ", 1) for line in lines if not line.startswith("#"))


def readyz(port):
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz") as page:
        return page.status, page.read().decode()


async def taken(js):
    """Take each approval out of CHAT: the policy that its header names, and its system message."""
    state = (await js.stream_info("CHAT")).state
    found = []
    for seq in range(state.first_seq, state.last_seq + 1) if state.messages else ():
        message = await js.get_msg("CHAT", seq)
        found.append((message.headers["Chat-Policy"], json.loads(message.data)["messages"][0]["content"]))
    await js.purge_stream("CHAT", seq=state.last_seq + 1)
    return found


async def test_ten_edits_under_load(bus, gateway, run_filter, tmp_path):
    """Five of them are bad: every request is answered, and each by a good policy alone, whole."""
    file, port = tmp_path / "policy.yml", free_port()
    process = await run_filter(good(0), STILE_FILTER_PORT=port)
    numbers, over = count(1), asyncio.Event()
    js = (await bus.connect("provisioner")).jetstream()
    asked, judged = [], []

    async def load():
        while not over.is_set():
            if len(asked) % 100 == 99:  # so that CHAT, which no worker empties, always has room
                judged.extend(await taken(js))
            number = next(numbers)
            asked.append(number)
            # A client each, so that none has as many waiting as it may.
            await gateway.ask(number, {"prompt": f"harmless {number}"}, Chat_Client=f"http-{number}")
            await asyncio.sleep(0.02)

    loading = asyncio.create_task(load())
    for edit in range(1, 6):
        put(file, BAD[edit - 1])
        await until(
            lambda edit=edit: process.output().count("policy_refused") == edit, within=60, what=f"bad {edit}"
        )
        status, page = await asyncio.to_thread(readyz, port)
        assert (status, page.startswith("ok\npolicy: the file is refused")) == (200, True), page
        assert metrics(port)["stile_filter_policy_refused"] == "1.0"
        put(file, good(edit))
        await until(
            lambda edit=edit: process.output().count("policy_changed") == edit, within=60, what=f"good {edit}"
        )
        status, page = readyz(port)
        assert (status, "policy" in page) == (200, False), page
        before = len(asked)
        await until(lambda before=before: len(asked) > before + 5, what="requests under the new policy")
    over.set()
    await loading
    for number in asked:
        [said, *_] = await gateway.answer(number)
        assert said.headers["Chat-Event"] == "accepted", said.data
    counted = metrics(port)
    assert counted['stile_filter_policy_loads_total{result="refused"}'] == "5.0"
    assert counted['stile_filter_policy_loads_total{result="ok"}'] == "6.0"
    assert counted["stile_filter_policy_refused"] == "0.0"
    judged += await taken(js)
    assert len(judged) == len(asked)
    by_version = {}
    for version, system in judged:
        by_version.setdefault(version, set()).add(system)
    # One system prompt to a version: no request had parts of two; and none came from a bad file.
    assert all(len(prompts) == 1 for prompts in by_version.values())
    assert set().union(*by_version.values()) == {f"Policy {number}." for number in range(6)}


async def test_the_new_policy_judges_and_the_former_one_does_not(gateway, run_filter, tmp_path):
    """What follows a change is judged by it; a change of a word list counts as well, and so does SIGHUP."""
    words = tmp_path / "words.txt"
    words.write_text("one\n")
    process = await run_filter("keywords:\n- {id: a, category: b, files: [words.txt]}\n")
    await gateway.ask(1, {"prompt": "two"})
    assert (await gateway.answer(1))[0].headers["Chat-Event"] == "accepted"
    put(words, "two\n")
    await until(lambda: "policy_changed" in process.output(), within=30)
    await gateway.ask(2, {"prompt": "two"})
    assert json.loads((await gateway.answer(2))[0].data)["refused"]
    os.kill(process.pid, signal.SIGHUP)
    await until(lambda: process.output().count("policy_changed") == 2, within=30)
    await gateway.ask(3, {"prompt": "two"})
    assert json.loads((await gateway.answer(3))[0].data)["refused"]


async def test_a_request_is_judged_by_one_policy(bus, gateway, run_filter, tmp_path):
    """While the old policy's scanner has a request, the policy changes: the request ends as it began."""
    seen, gate, port = tmp_path / "seen", tmp_path / "gate", free_port()
    params = json.dumps({"word": "wait", "seen": str(seen), "gate": str(gate)})
    scanned = f"input_scanners:\n- {{type: 'own_scanners:Gate', params: {params}}}\n"
    process = await run_filter(
        scanned + "scan_timeout_seconds: 60\nsystem_prompt: Old.\n", STILE_FILTER_PORT=port
    )
    await gateway.ask(1, {"prompt": "wait"})
    await until(lambda: "wait" in seen.read_text(), within=30, what="the scanner has it")
    put(tmp_path / "policy.yml", "system_prompt: New.\n")
    await until(lambda: "policy_changed" in process.output(), within=30)
    await gateway.ask(2, {"prompt": "wait"})
    await gateway.answer(2)
    assert "1" not in gateway.heard
    gate.touch()
    await gateway.answer(1)
    js = (await bus.connect("provisioner")).jetstream()
    assert [system for _, system in await taken(js)] == ["New.", "Old."]


@pytest.mark.parametrize("text", BAD[2:4])
async def test_a_bad_policy_stops_the_start(run_filter, text):
    """A test that fails and a scanner that can't be built: one line with file and line, exit 1."""
    process = await run_filter(text, wait=False)
    await until(lambda: process.exit_code is not None, within=60)
    assert process.exit_code == 1
    assert "policy.yml:" in process.output()


async def test_who_was_refused(gateway, run_filter):
    """One line: client, rule, view, place, and nothing of the text; the requester is not told the view."""
    port = free_port()
    process = await run_filter(
        "keywords:\n- {id: rude, category: rudeness, phrases: [darnation]}\n", STILE_FILTER_PORT=port
    )
    await gateway.ask(1, {"prompt": "d4rn4t10n"}, Chat_Client="http-ada")
    [said] = await gateway.answer(1)
    await until(lambda: "request_refused" in process.output())
    [line] = [line for line in process.output().splitlines() if "request_refused" in line]
    for part in ("client=http-ada", "rule=rude", "view=leet", "place=prompt", f"chat_id={chat_id(1)}"):
        assert part in line
    assert b"leet" not in said.data
    assert "d4rn" not in process.output()
    assert metrics(port)['stile_filter_refused_total{rule="rude"}'] == "1.0"
