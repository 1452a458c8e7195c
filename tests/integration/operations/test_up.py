"""`stile up` as people run it: the real parts, a real small model, on free ports."""

import asyncio
import json
import os
import re
import signal

import httpx
import nats
import psutil
import pytest

from harness.models.standin import Standin
from harness.nats.certificates import Certificates
from harness.parts.policies import unscanned
from harness.parts.up import Up, alive, family
from harness.processes.wait import until

NAMES = ["nats", "llama", "filter-service", "rust-consumer", "gateway", "console"]


@pytest.fixture
async def up(tmp_path):
    """Everything but scanners, started and ready."""
    up = await Up(tmp_path, **unscanned(tmp_path)).start().ready()
    yield up
    await asyncio.to_thread(up.process.stop, 90)


@pytest.fixture
async def up_as_shipped(tmp_path):
    """Everything, the scanners too, started and ready."""
    up = await Up(tmp_path).start().ready()
    yield up
    await asyncio.to_thread(up.process.stop, 90)


async def test_everything_is_started_answers_and_is_stopped(up_as_shipped):
    """A real answer over HTTP and over NATS; `stile status` tells the truth; SIGTERM leaves nothing."""
    up = up_as_shipped
    parts = await up.status()
    assert list(parts) == NAMES
    for part in parts.values():
        assert set(part) == {"name", "pid", "state", "port", "restarts"}
        assert (part["state"], part["restarts"]) == ("running", 0)
    assert psutil.Process(parts["nats"]["pid"]).name() == "nats-server"
    assert parts["gateway"]["port"] == up.ports["PORT"]

    answer = await up.ask("Say hello.")
    assert answer.status_code == 200, answer.text
    assert answer.json()["response"]

    seeds = up.home / "clients" / "local.nk"
    assert str(seeds) in up.output()
    local = await nats.connect(f"nats://127.0.0.1:{up.ports['NATS_PORT']}", nkeys_seed=str(seeds))
    reply = await local.request("chat.request", b'{"prompt": "Say hello.", "max_tokens": 8}', timeout=240)
    assert json.loads(reply.data)["response"]
    await local.close()

    everything = family(up.process.pid)
    assert len(everything) >= 6
    up.process.signal(signal.SIGTERM)
    await until(lambda: up.process.exit_code is not None, within=90)
    assert up.process.exit_code == 0
    assert alive(everything) == []
    said = [line.split(": ") for line in up.output().splitlines() if " | " not in line]
    stopped = [line[0] for line in said if line[1:] == ["stopped"]]
    assert stopped == NAMES[::-1]
    code, out, _ = await up.run("status")
    assert (code, "not running" in out) == (3, True)


async def test_what_dies_comes_back_and_a_request_gets_its_answer(up):
    """Each part is killed; each comes back under a new pid, counted; then a request is answered."""
    before = await up.status()
    for name in NAMES:
        os.kill(before[name]["pid"], signal.SIGKILL)

    async def is_back():
        after = await up.status()
        return all(
            after[name]["state"] == "running" and after[name]["pid"] != before[name]["pid"] for name in NAMES
        )

    await until(is_back, within=120, what="every part is back")
    assert [part["restarts"] for part in (await up.status()).values()] == [1] * len(NAMES)
    answer = await up.ask("Say hello.")
    assert answer.status_code == 200, answer.text


async def test_a_client_is_added_while_another_one_waits(up):
    """A new client can ask at once, and the request that is on its way keeps its way back."""
    url = f"nats://127.0.0.1:{up.ports['NATS_PORT']}"
    local = await nats.connect(url, nkeys_seed=str(up.home / "clients" / "local.nk"))
    body = json.dumps({"prompt": "Tell a story.", "max_tokens": 60, "stream": True}).encode()
    inbox = await local.subscribe("_INBOX.story")
    await local.publish("chat.request", body, reply="_INBOX.story")
    events = [(await inbox.next_msg(120)).headers["Chat-Event"]]
    while "token" not in events:
        events.append((await inbox.next_msg(120)).headers["Chat-Event"])

    code, out, err = await up.run("clients", "add", "kitchen")
    assert (code, err) == (0, "")
    command = next(
        line for line in out.splitlines() if line.strip().startswith("nats context add stile-kitchen")
    )
    assert f"--server {url}" in command

    kitchen = await nats.connect(url, nkeys_seed=str(up.home / "clients" / "kitchen.nk"))
    asked = asyncio.create_task(
        kitchen.request("chat.request", b'{"prompt": "Say hello.", "max_tokens": 4}', timeout=240)
    )
    while events[-1] not in ("done", "error"):
        events.append((await inbox.next_msg(120)).headers["Chat-Event"])
    assert events[-1] == "done"
    assert json.loads((await asked).data)["response"]
    code, out, _ = await up.run("clients", "list")
    assert [line.split("\t")[0] for line in out.splitlines()] == ["name", "kitchen", "local"]
    code, _, err = await up.run("clients", "remove", "kitchen")
    assert code == 0, err
    await until(lambda: not kitchen.is_connected, within=30, what="the client is put out")
    assert not (up.home / "clients" / "kitchen.nk").exists()
    assert json.loads(
        (await local.request("chat.request", b'{"prompt": "Hello.", "max_tokens": 1}', timeout=240)).data
    )["response"]
    await kitchen.close()
    await local.close()


async def test_keys_are_asked_for_from_the_first_one_on(tmp_path, unused_llama):
    """While everything runs: nobody gets in without, and that stays so when the last one is revoked."""
    settings = {"STILE_LLAMA_URL": unused_llama.url, "STILE_HOST": "0.0.0.0"}  # noqa: S104 -- of a test's length
    up = await Up(tmp_path, **settings, **unscanned(tmp_path)).start().ready()
    try:
        assert "No API key is asked for" in up.output()
        await until(lambda: "any client of this port may ask" in up.output(), what="the gateway says so")
        assert (await up.ask("Hello.")).status_code == 200
        code, key, told = await up.run("keys", "add", "ada")
        assert (code, "From now on every request needs a key" in told) == (0, True)
        assert (await up.ask("Hello.")).status_code == 401
        assert (await up.ask("Hello.", headers={"Authorization": f"Bearer {key.strip()}"})).status_code == 200
        await up.run("keys", "revoke", "ada")

        async def is_revoked():
            return (
                await up.ask("Hello.", headers={"Authorization": f"Bearer {key.strip()}"})
            ).status_code == 401

        await until(is_revoked, what="the last key is revoked")
        (up.home / "api-keys.json").unlink()

        async def is_told():
            assert (await up.ask("Hello.")).status_code == 401
            return "api_keys_unusable" in up.output()

        await until(is_told, what="it is told that the file is gone")
    finally:
        await asyncio.to_thread(up.process.stop, 90)


async def test_keys_are_off_by_name_alone(tmp_path, unused_llama):
    """With `STILE_API_KEYS=off` no key is asked for, and whoever adds one is told."""
    settings = {"STILE_LLAMA_URL": unused_llama.url, "STILE_API_KEYS": "off"}
    up = await Up(tmp_path, **settings, **unscanned(tmp_path)).start().ready()
    try:
        assert "No API key is asked for" not in up.output()  # it is this machine's alone
        _, _, told = await up.run("keys", "add", "ada")
        assert "no key is asked for" in told
        del up.environment["STILE_API_KEYS"]
        _, _, told = await up.run("keys", "add", "bob")
        assert "The gateway that runs asks for no key" in told
        assert (await up.ask("Hello.")).status_code == 200
    finally:
        await asyncio.to_thread(up.process.stop, 90)


async def test_a_second_one_is_refused_and_down_stops_the_first(up):
    """One installation runs once; `stile down` waits until it is gone."""
    everything = family(up.process.pid)
    code, _, err = await up.run("up")
    assert code == 1
    assert len(err.splitlines()) == 1
    assert "runs already" in err
    code, _, _ = await up.run("down")
    assert code == 0
    assert alive(everything) == []
    assert (await up.run("down"))[0] == 0


async def test_nothing_outlives_a_killed_supervisor(up_as_shipped):
    """SIGKILL of `stile up` itself takes the parts with it, and the next start finds its way free."""
    up = up_as_shipped
    everything = family(up.process.pid)
    up.process.kill()
    await until(lambda: not alive(everything), within=30, what="the parts are gone")
    assert {part["state"] for part in (await up.status()).values()} == {"stopped"}
    await up.start().ready()


async def test_a_port_in_use_is_one_line(tmp_path):
    """It says which part wanted the port, and which variable moves it; nothing is left running."""
    up = Up(tmp_path)
    listener = await asyncio.start_server(lambda *_: None, "127.0.0.1", up.ports["LLAMA_PORT"])
    async with listener:
        code, out, err = await up.run("up")
    assert (code, out) == (1, "")
    assert len(err.splitlines()) == 1
    for word in ("llama", str(up.ports["LLAMA_PORT"]), "STILE_LLAMA_PORT", f"pid {os.getpid()}"):
        assert word in err


@pytest.mark.parametrize(
    ("variable", "value", "sentence"),
    [
        ("STILE_MODEL", "/nowhere/model.gguf", "no such file"),
        ("STILE_MODEL", "Llama-9", "there are: "),
        ("STILE_CONTEXT", "many", "STILE_CONTEXT: "),
        ("STILE_LLAMA_URL", "http://127.0.0.1:9", "nobody answers"),
    ],
)
async def test_what_cannot_work_is_one_line(tmp_path, variable, value, sentence):
    """A wrong setting ends the start with one line on stderr and the exit code 1."""
    code, _, err = await Up(tmp_path, **{variable: value}).run("up")
    assert code == 1
    assert len(err.splitlines()) == 1
    assert sentence in err


async def test_a_llama_that_runs_already_is_used(tmp_path, unused_llama):
    """STILE_LLAMA_URL: none is started, and the answer comes from the one that is named."""
    up = await Up(tmp_path, STILE_LLAMA_URL=unused_llama.url, **unscanned(tmp_path)).start().ready()
    try:
        part = (await up.status())["llama"]
        assert (part["state"], part["pid"], part["port"]) == ("external", None, None)
        answer = await up.ask("An echo, please.")
        assert "An echo, please." in answer.json()["response"]
    finally:
        await asyncio.to_thread(up.process.stop, 90)
    assert unused_llama.process.exit_code is None


async def test_the_parts_speak_mutual_tls(tmp_path, unused_llama):
    """With the variables of docs/operations.md the bus speaks TLS alone, and a request is answered."""
    certificates = Certificates(tmp_path / "certificates")
    settings = {**certificates.server, **certificates.client, "STILE_LLAMA_URL": unused_llama.url}
    up = await Up(tmp_path, **settings, **unscanned(tmp_path)).start().ready()
    try:
        answer = await up.ask("Say hello.")
        assert answer.status_code == 200, answer.text
        with pytest.raises((nats.errors.Error, OSError)):
            await nats.connect(
                f"nats://127.0.0.1:{up.ports['NATS_PORT']}", allow_reconnect=False, connect_timeout=2
            )
    finally:
        await asyncio.to_thread(up.process.stop, 90)


async def test_a_llama_server_on_path_comes_first(tmp_path):
    """A `llama-server` on PATH is started in place of the environment's own, with one slot on loopback."""
    folder = tmp_path / "bin"
    folder.mkdir()
    program = folder / "llama-server"
    program.write_text(f'#!/bin/sh\necho "$@" > {tmp_path}/arguments\nexit 1\n')
    program.chmod(0o755)
    code, out, err = await Up(tmp_path, PATH=f"{folder}:{os.environ['PATH']}").run("up")
    assert code == 1
    assert "llama did not start" in err
    arguments = (tmp_path / "arguments").read_text()
    assert "--host 127.0.0.1" in arguments
    assert "--parallel 1" in arguments
    assert "nats: stopped" in out


@pytest.fixture
async def unused_llama(tmp_path):
    """A stand-in llama.cpp that `stile up` did not start."""
    standin = await Standin(tmp_path).start()
    yield standin
    standin.stop()


async def test_the_console_is_opened_by_the_printed_link_and_by_a_new_one(up):
    """The banner's link works once, `stile console` prints another; each part's process is described."""
    printed = re.search(r"http://127\.0\.0\.1:\d+/#token=(\S+)", up.output())
    code, out, _ = await up.run("console")
    assert (code, out.strip().startswith(f"http://127.0.0.1:{up.ports['CONSOLE_PORT']}/#token=")) == (0, True)
    url = f"http://127.0.0.1:{up.ports['CONSOLE_PORT']}"
    for token in (printed[1], out.strip().rpartition("=")[2]):
        async with httpx.AsyncClient(base_url=url, timeout=60) as owner:
            signed_in = await owner.post("/api/session", json={"token": token})
            owner.headers["Stile-Session"] = signed_in.raise_for_status().json()["proof"]
            health = (await owner.get("/api/health")).json()
            assert (await owner.post("/api/session", json={"token": token})).status_code == 401
    parts = {part["name"]: part for part in health["parts"]}
    assert list(parts) == NAMES
    assert all(part["memory_bytes"] > 0 and part["restarts"] == 0 for part in parts.values())


async def test_the_console_makes_the_owners_policy(up_as_shipped):
    """What comes with Stile stays; the filter takes the new file up without a restart."""
    up = up_as_shipped
    _, out, _ = await up.run("console")
    url, token = out.strip().split("/#token=")
    async with httpx.AsyncClient(base_url=url, timeout=120) as owner:
        signed_in = await owner.post("/api/session", json={"token": token})
        owner.headers["Stile-Session"] = signed_in.raise_for_status().json()["proof"]
        policy = (await owner.get("/api/policy")).json()
        assert policy["is_shipped"]
        rule = "keywords:\n  - {id: birds, category: animals, phrases: [kingfisher]}\n"
        changed = {"policy": policy["text"].replace("keywords:\n", rule, 1), "base": policy["digest"]}
        applied = await owner.put("/api/policy", json=changed)
        assert applied.json() == {"is_applied": True, "faults": []}, applied.text
    assert (up.home / "policy.yml").read_text() == changed["policy"]
    assert (await up.ask("A kingfisher")).json()["refused"]
