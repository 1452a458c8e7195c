"""`stile up -d`, `logs`, `restart` and `down`: the real parts, in the background."""

import asyncio
import socket

import pytest

from harness.models.standin import Standin
from harness.parts.policies import unscanned
from harness.parts.up import Up, alive, family


@pytest.fixture
async def up(tmp_path):
    """An installation before a stand-in model, which does not run yet."""
    model = await Standin(tmp_path).start()
    up = Up(tmp_path, STILE_LLAMA_URL=model.url, **unscanned(tmp_path))
    yield up
    await up.run("down")
    await asyncio.to_thread(model.stop)


async def test_of_two_at_once_one_runs_and_the_other_says_why(up):
    """The log of the one that runs is its own."""
    ended = await asyncio.gather(up.run("up", "-d"), up.run("up", "-d"))
    assert sorted(code for code, _, _ in ended) == [0, 1], ended
    (refused,) = [out + err for code, out, err in ended if code]
    assert "gateway: ready after" not in refused
    assert "did not start" in refused
    (log,) = up.home.glob("logs/up.log")
    assert "gateway: ready after" in log.read_text()
    assert [path.name for path in log.parent.glob(".*")] == []


async def test_it_runs_in_the_background_and_is_looked_at(up):
    """It returns when everything is ready; a part is restarted alone; `stile down` leaves nothing."""
    code, out, err = await up.run("up", "-d")
    assert code == 0, out + err
    assert "gateway: ready after" in out
    assert "`stile down` stops everything" in out
    assert "runs in the background" in out
    assert (await up.ask("Hello")).json()["response"] == "echo: Hello word word"
    code, out, err = await up.run("up", "-d")
    assert (code, "runs already" in out + err) == (1, True)

    code, out, _ = await up.run("logs", "gateway")
    assert (code, "route=/chat" in out or "/chat" in out) == (0, True)
    assert "gateway: ready after" in (await up.run("logs", "up"))[1]

    before = await up.status()
    assert (await up.run("restart", "gateway"))[:2] == (0, "gateway: ready again\n")
    after = await up.status()
    assert after["gateway"]["pid"] != before["gateway"]["pid"]
    assert {name: part["pid"] for name, part in after.items() if name != "gateway"} == {
        name: part["pid"] for name, part in before.items() if name != "gateway"
    }
    code, out, err = await up.run("restart")
    assert code == 0, out + err
    assert [line.split(":")[0] for line in out.splitlines()] == [
        "nats",
        "filter-service",
        "rust-consumer",
        "gateway",
        "console",
    ]
    assert (await up.ask("Again")).json()["response"] == "echo: Again word word"
    code, _, err = await up.run("restart", "llama")
    assert (code, "STILE_LLAMA_URL" in err) == (1, True)

    policy = up.home.parent / "unscanned.yml"
    good = policy.read_text()
    policy.write_text("keywordz: []\n")
    code, _, err = await up.run("restart", "filter-service")
    assert (code, "keywordz" in err) == (1, True)
    policy.write_text(good)

    everything = [part["pid"] for part in (await up.status()).values() if part["pid"]]
    processes = [process for pid in everything for process in family(pid)]
    assert (await up.run("down"))[0] == 0
    assert alive(processes) == []
    assert (await up.run("restart"))[0] == 1


async def test_why_it_does_not_start_is_said(up):
    """The reason is shown, the exit code is 1, and nothing is left running."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", up.ports["PORT"]))
        taken.listen()
        code, out, err = await up.run("up", "-d")
    assert code == 1
    assert f"port {up.ports['PORT']}" in out
    assert "did not start" in err
    assert (await up.run("status"))[0] == 3
