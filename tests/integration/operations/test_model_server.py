"""The model's server under `stile up`: who may ask it, what it logs, how it comes back when it is stuck."""

import asyncio
import os
import signal
import stat
from contextlib import suppress

import httpx
import psutil
import pytest

from harness.models.standin import Standin
from harness.parts.policies import unscanned
from harness.parts.up import Up, family
from harness.processes.wait import until

MARKER = "quarantinedmarker"
HOSTILE = {
    "type": "string",
    "pattern": "^(.?){1999}(.?){1999}(.?){1999}(.?){1999}$",
}
"""Keeps llama.cpp busy for minutes, and it looks for a closed connection between tokens only."""


class Model:
    """llama.cpp's port, as anybody on this machine may try it."""

    def __init__(self, up):
        self.url = f"http://127.0.0.1:{up.ports['LLAMA_PORT']}"
        self.file = up.home / "credentials" / "llama.key"
        self.key = self.file.read_text()

    async def post(self, body, *, key=None, within=60.0, path="/v1/chat/completions", **headers):
        """Ask; return the answer."""
        if key:
            headers["Authorization"] = f"Bearer {key}"
        async with httpx.AsyncClient(timeout=within) as client:
            return await client.post(self.url + path, json=body, headers=headers)


@pytest.fixture
async def up(tmp_path):
    """Everything, started and ready; a key of an earlier start lies there."""
    up = Up(tmp_path, STILE_SLOT_SECONDS="2", **unscanned(tmp_path))
    (up.home / "credentials").mkdir(mode=0o700, parents=True)
    (up.home / "credentials" / "llama.key").write_text("a-former-key")
    await up.start().ready()
    yield up
    await asyncio.to_thread(up.process.stop, 90)


async def another_one_answers(up, before):
    """Requests that wait for a llama.cpp that is stuck are answered by the next one."""
    waiting = [asyncio.create_task(up.ask(f"Say hello, {number}.", 4)) for number in range(2)]
    await until(lambda: "llama does no more work" in up.output(), within=120, what="it is ended")
    for answer in await asyncio.gather(*waiting):
        assert answer.status_code == 200, answer.text
    after = await up.status()
    assert after["llama"]["pid"] != before["llama"]["pid"]
    assert (after["llama"]["state"], after["llama"]["restarts"]) == ("running", 1)


async def test_only_the_consumer_may_ask_the_model(up):
    """No page of another site (no preflight, any Host) and no other program here gets an answer."""
    model = Model(up)
    asked = {"messages": [{"role": "user", "content": "Hi"}], "max_tokens": 1}
    page = {"Content-Type": "text/plain", "Origin": "https://evil.example", "Host": "rebound.example"}
    assert (await model.post(asked, **page)).status_code == 401
    assert (await model.post(asked, key="a-former-key")).status_code == 401
    for path in ("/completion", "/tokenize", "/apply-template", "/slots/0?action=erase", "/props"):
        assert (await model.post(asked, path=path)).status_code == 401, path
    async with httpx.AsyncClient() as client:
        for path in ("/slots", "/metrics", "/props"):
            assert (await client.get(model.url + path)).status_code == 401, path
    assert (await model.post(asked, key=model.key)).status_code == 200
    assert (await up.ask("Say hello.", 4)).status_code == 200

    assert len(model.key) >= 43  # 32 random bytes
    assert stat.S_IMODE(model.file.stat().st_mode) == 0o600
    assert stat.S_IMODE(model.file.parent.stat().st_mode) == 0o700
    for process in family(up.process.pid):
        with suppress(psutil.NoSuchProcess):
            assert model.key not in " ".join([*process.cmdline(), *process.environ().values()])
    assert model.key not in everything_logged(up)


async def test_no_text_of_a_request_is_logged(up):
    """However a request fails in llama.cpp, and whatever it quotes then, no log has a word of it."""
    model = Model(up)
    quoted = 0
    for body in failing_requests():
        answer = await model.post({"max_tokens": 2, **body}, key=model.key)
        quoted += MARKER in answer.text
        asked = {"max_tokens": 2, "messages": [{"role": "user", "content": "Hi"}], **body}
        async with httpx.AsyncClient(timeout=240) as client:
            await client.post(f"{up.url}/v1/chat/completions", json=asked)
    assert quoted >= 5  # llama.cpp does quote them
    assert (await up.ask("Say hello.", 4)).status_code == 200
    logged = everything_logged(up)
    assert MARKER not in logged
    # What it says while it starts is there.
    assert "model" in (up.home / "logs" / "llama.log").read_text()


def failing_requests():
    """Return requests of several kinds that llama.cpp refuses, warns of, or fails over."""
    user = {"role": "user", "content": "Hi"}
    schemas = [
        {"type": MARKER},
        {"type": "string", "pattern": f"^({MARKER}$"},
        {"type": "string", "pattern": f"^[{MARKER}$"},
        {"type": "string", "pattern": MARKER},
        {"type": "string", "pattern": f"^a{{99999999999999999999{MARKER}}}$"},
        {"$ref": f"#/{MARKER}"},
        {"$ref": f"https://{MARKER}.example/x"},
        {"type": "object", "properties": {MARKER: {"type": MARKER}}},
    ]
    formats = [{"type": "json_schema", "json_schema": {"name": "a", "schema": schema}} for schema in schemas]
    bodies = [{"messages": [user], "response_format": form} for form in formats]
    for schema in schemas:
        function = {"name": "f", "parameters": {"type": "object", "properties": {"a": schema}}}
        tools = [{"type": "function", "function": function}]
        bodies.append({"messages": [user], "tools": tools, "tool_choice": "required"})
    call = {"id": "a", "type": "function", "function": {"name": "f", "arguments": f'{{"a": {MARKER}'}}
    return [
        *bodies,
        {"messages": [user, {"role": "assistant", "content": None, "tool_calls": [call]}, user]},
        {"messages": [user], "grammar": f'root ::= "{MARKER}'},
        {"messages": [{"role": "user", "content": [{"type": MARKER}]}]},
        {"messages": [{"role": MARKER, "content": MARKER}]},
        {"messages": [{"role": "user", "content": f"{MARKER} " * 5000}]},
    ]


def everything_logged(up):
    """Return all that `stile up` has shown and kept."""
    return up.output() + "".join(file.read_text() for file in (up.home / "logs").iterdir())


async def test_a_wedged_model_is_started_again_and_what_waited_is_answered(up):
    """A request whose client has left keeps llama.cpp computing: it is ended; the next are answered."""
    model = Model(up)
    before = await up.status()
    schema = {"type": "json_schema", "json_schema": {"name": "a", "schema": HOSTILE}}
    body = {"messages": [{"role": "user", "content": "x"}], "max_tokens": 4, "response_format": schema}
    with pytest.raises(httpx.ReadTimeout):
        await model.post(body, key=model.key, within=2.0)
    # A worker that is new is not sure of the slot: an earlier one's call may still hold it.
    os.kill(before["rust-consumer"]["pid"], signal.SIGKILL)
    await another_one_answers(up, before)


async def test_a_frozen_model_is_started_again_and_what_waited_is_answered(up):
    """One that takes connections and answers nothing does not end on SIGTERM either: it is killed."""
    before = await up.status()
    os.kill(before["llama"]["pid"], signal.SIGSTOP)
    await another_one_answers(up, before)


async def test_a_server_that_runs_already_has_its_own_key(tmp_path):
    """STILE_LLAMA_KEY reaches the consumer alone, by a file; without it the gateway says what is missing."""
    standin = await Standin(tmp_path, key="their-key").start()
    try:
        without = Up(tmp_path, STILE_LLAMA_URL=standin.url).start()
        await until(lambda: readiness_names(without, "STILE_LLAMA_KEY"), within=120, what="it says why")
        code, out, _ = await without.run("doctor")
        assert (code, "STILE_LLAMA_KEY" in out) == (6, True)
        await asyncio.to_thread(without.process.stop, 90)

        (folder := tmp_path / "with").mkdir()
        settings = {"STILE_LLAMA_URL": standin.url, "STILE_LLAMA_KEY": "their-key"}
        up = await Up(folder, **settings).start().ready()
        assert (await up.ask("Hi")).status_code == 200
        for process in family(up.process.pid):
            if process.pid != up.process.pid:
                assert "their-key" not in " ".join([*process.cmdline(), *process.environ().values()])
        assert "their-key" not in everything_logged(up)
        await asyncio.to_thread(up.process.stop, 90)
    finally:
        standin.stop()


async def readiness_names(up, word):
    """Tell whether the consumer says that it is not ready because of ``word``."""
    async with httpx.AsyncClient() as client:
        with suppress(httpx.TransportError):
            answer = await client.get(f"http://127.0.0.1:{up.ports['CONSUMER_PORT']}/readyz")
            return answer.status_code == 503 and word in answer.json().get("reason", "")
    return False
