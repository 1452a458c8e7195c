"""A policy that changes under `stile up`: where its owner learns of a bad one."""

import asyncio
import json

import httpx
import pytest

from harness.models.standin import Standin
from harness.parts.up import Up
from harness.processes.wait import until

WORDS = "keywords:\n- {id: rude, category: rudeness, phrases: [PHRASE]}\n"


@pytest.fixture
async def up(tmp_path):
    """Everything before a stand-in model, with a policy in its home, whose path has a space."""
    standin = await Standin(tmp_path).start()
    up = Up(tmp_path / "a folder", STILE_LLAMA_URL=standin.url)
    up.home.mkdir(parents=True)
    (up.home / "policy.yml").write_text(WORDS.replace("PHRASE", "darn"))
    await up.start().ready()
    yield up
    await asyncio.to_thread(up.process.stop, 90)
    standin.stop()


def put(up, text):
    draft = up.home / "draft.yml"
    draft.write_text(text)
    draft.replace(up.home / "policy.yml")


async def ready(up):
    """Return what the gateway says of the filter."""
    async with httpx.AsyncClient() as client:
        answer = await client.get(f"{up.url}/readyz")
    return answer.status_code, answer.json()["parts"]["filter"]


async def test_a_bad_policy_is_told_and_the_former_one_goes_on(up):
    """In the log, by doctor, and on /readyz, which stays ready; until the file is good again."""
    assert (await up.ask("darn")).json()["refused"]
    code, out, _ = await up.run("doctor")
    assert (code, "ok    policy: the file is in use" in out) == (0, True), out

    put(up, "# one\nkeywordz: []\n")
    await until(lambda: "policy_refused" in up.output(), within=30)
    code, out, _ = await up.run("doctor")
    assert code == 6
    [line] = [line for line in out.splitlines() if line.startswith("WRONG")]
    assert line.startswith("WRONG policy: the file is refused, version ")
    assert f"{up.home}/policy.yml:2: keywordz" in line

    async def is_shown():
        status, part = await ready(up)
        return status == 200 and part["ready"] and "refused" in part.get("detail", "")

    await until(is_shown, what="the gateway shows it")
    assert str(up.home) not in json.dumps(await ready(up))
    assert (await up.ask("darn")).json()["refused"]

    put(up, WORDS.replace("PHRASE", "gosh"))
    await until(lambda: "policy_changed" in up.output(), within=30)
    assert (await up.ask("gosh")).json()["refused"]
    assert not (await up.ask("darn")).json()["refused"]
    code, out, _ = await up.run("doctor")
    assert code == 0, out
