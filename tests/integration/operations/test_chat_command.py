"""`stile chat` against the whole system: over HTTP and NATS, in a pipe and in a terminal."""

import asyncio
import json
import os
import pty
import signal
import subprocess

import pytest

from harness.processes.process import BIN
from harness.processes.wait import until
from stile.keys import credentials


@pytest.fixture
def environment(tmp_path):
    """What the command gets beside the address: its files are the test's."""
    return {**os.environ, "XDG_STATE_HOME": str(tmp_path / "state"), "TERM": "xterm"}


@pytest.fixture
def chat(environment):
    """Run the command; return its exit code, stdout and stderr."""

    async def run(*arguments, given=b"", **variables):
        child = await asyncio.create_subprocess_exec(
            *(BIN / "stile", "chat", *arguments),
            env={**environment, **variables},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        out, err = await asyncio.wait_for(child.communicate(given), 60)
        return child.returncode, out.decode(), err.decode()

    return run


def nats(system, *options):
    """Return the options that ask over NATS as alice."""
    seed = credentials.seed_file(system.bus.seeds, "alice")
    return ("--nats", "--nats-url", system.bus.url, "--nkey-file", str(seed), *options)


async def test_questions_and_refusals(start_system, chat):
    """The answer is on stdout, from an argument or the standard input; a refusal has its own exit code."""
    system = await start_system()
    address = ("--url", system.url)
    assert await chat(*address, "Hello", "you") == (0, "echo: Hello you word word\n", "")
    assert await chat(*address, given=b"Hello\nthere\n") == (0, "echo: Hello\nthere word word\n", "")
    code, out, _ = await chat(*address, "Repeat:", "-", given=b"this")
    assert (code, out) == (0, "echo: Repeat: \n\nthis word word\n")
    assert (await chat(*address, given=b" \n"))[0] == 1
    code, out, _ = await chat(*address, "--json", "--model", "standin", "--max-tokens", "5", "Hello")
    assert (code, json.loads(out)["response"]) == (0, "echo: Hello word word")
    asked = (await system.model.log())["last"]
    assert asked["max_tokens"] == 5
    for how in (address, nats(system)):
        code, out, err = await chat(*how, "what the fuck")
        assert (code, out) == (4, "")
        assert err.startswith("Refused (")
    code, out, _ = await chat(*address, "--json", "what the fuck")
    assert (code, json.loads(out)["refused"]) == (4, True)
    code, out, err = await chat(*address, "--model", "absent", "Hello")
    assert (code, out) == (1, "")
    assert "model_not_found" in err


async def test_over_nats(start_system, chat):
    """The same answer, with the key of a direct client; an unknown key is one line."""
    system = await start_system()
    assert await chat(*nats(system), "Hello") == (0, "echo: Hello word word\n", "")
    stranger = credentials.seed_file(system.folder / "strangers", "bob")
    credentials.ensure(stranger.parent, ("bob",))
    code, out, err = await chat("--nats", "--nats-url", system.bus.url, "--nkey-file", str(stranger), "Hello")
    assert (code, out) == (1, "")
    assert err.count("\n") == 1


@pytest.mark.parametrize("how", ["http", "nats"])
async def test_an_interrupt_frees_the_model(start_system, environment, how):
    """Ctrl-C: exit code 130, and the next one is answered at once."""
    system = await start_system(tokens=1000, token_seconds=0.1)
    address = nats(system) if how == "nats" else ("--url", system.url)
    child = await asyncio.create_subprocess_exec(
        *(BIN / "stile", "chat", *address, "A long one"), env=environment, stdout=subprocess.PIPE
    )
    assert (await child.stdout.readexactly(6)) == b"echo: "
    child.send_signal(signal.SIGINT)
    assert await asyncio.wait_for(child.wait(), 30) == 130

    async def is_free():
        return [entry["outcome"] for entry in (await system.model.log())["generations"]] == ["cancelled"]

    await until(is_free, within=30, what="the model is free")


async def test_a_conversation_in_a_terminal(start_system, environment, tmp_path):
    """A person types, stops an answer, goes on, and leaves; what was typed is kept for the next time."""
    system = await start_system(tokens=60, token_seconds=0.05)
    master, slave = pty.openpty()
    child = await asyncio.create_subprocess_exec(
        *(BIN / "stile", "chat", "--url", system.url),
        env=environment,
        stdin=slave,
        stdout=slave,
        stderr=slave,
        preexec_fn=lambda: (os.setsid(), __import__("fcntl").ioctl(0, __import__("termios").TIOCSCTTY, 0)),
    )
    os.close(slave)
    shown = bytearray()
    asyncio.get_running_loop().add_reader(master, lambda: shown.extend(os.read(master, 4096)))

    def typed(text):
        os.write(master, text.encode())

    await until(lambda: b">>> " in shown, within=30, what="the prompt")
    typed("First\n")
    await until(lambda: b"echo: First" in shown, within=30, what="the answer begins")
    typed("\x03")
    await until(lambda: b"(Stopped.)" in shown, within=30, what="the answer is stopped")
    shown.clear()
    typed("Second\n")
    await until(lambda: b"echo: Second" in shown, within=30, what="the next answer")
    await until(lambda: shown.rstrip().endswith(b">>>"), within=30, what="the prompt")
    typed("/quit\n")
    assert await asyncio.wait_for(child.wait(), 30) == 0
    asyncio.get_running_loop().remove_reader(master)
    os.close(master)
    last = (await system.model.log())["last"]
    assert [message["content"] for message in last["messages"]][0::2] == ["First", "Second"]
    assert (tmp_path / "state" / "stile" / "chat-history").read_text().splitlines()[-3:] == [
        "First",
        "Second",
        "/quit",
    ]
