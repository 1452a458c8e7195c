"""The supervisor, with small real programs as its parts."""

import asyncio
import os
import signal
import sys
from pathlib import Path

import psutil
import pytest

from harness.processes.ports import free_port
from harness.processes.wait import until
from stile.errors import PartError
from stile.supervise import runner
from stile.supervise.parts import Part
from stile.supervise.supervisor import Supervisor
from stile.supervise.terminal import Terminal
from stile_runtime.installation import state
from stile_runtime.installation.state import PartState

PROGRAM = Path(__file__).with_name("part.py")


def make_part(name, *arguments, port=None, **options):
    """Describe ``part.py`` as a part."""
    port = port or free_port()
    return Part(
        name=name,
        argv=(sys.executable, str(PROGRAM), str(port), *arguments),
        env={"PART": name},
        port=port,
        ready_url=f"http://127.0.0.1:{port}/",
        **options,
    )


class Whole:
    """A supervisor that runs in the background of a test."""

    def __init__(self, folder, *parts):
        self.folder = folder
        self.state_file = folder / "state.json"
        self.announced = asyncio.Event()
        self.restarts = folder / "restarts"
        supervisor = Supervisor(parts, folder / "logs", self.state_file, Terminal(), restarts=self.restarts)
        self.task = asyncio.create_task(supervisor.run(self.announced.set))

    async def up(self):
        """Wait until everything runs."""
        waiting = asyncio.create_task(self.announced.wait())
        await asyncio.wait({waiting, self.task}, timeout=30, return_when=asyncio.FIRST_COMPLETED)
        assert self.announced.is_set()
        return self

    def status(self, name):
        """Return what `stile status` would show of a part."""
        return {part.name: part for part in state.read(self.state_file).parts}[name]

    async def end(self):
        """Stop it as Ctrl-C does."""
        os.kill(os.getpid(), signal.SIGINT)
        await asyncio.wait_for(self.task, 30)


@pytest.fixture
def quick(monkeypatch):
    """Start what died again at once."""
    monkeypatch.setattr(runner, "FIRST_DELAY", 0.01)


async def test_parts_are_started_in_order_and_stopped_in_the_opposite_one(tmp_path, capfd):
    """Each part is started when the one before is ready; the last is stopped first."""
    whole = await Whole(tmp_path, make_part("one"), make_part("two"), make_part("three")).up()
    pids = [whole.status(name).pid for name in ("one", "two", "three")]
    assert pids == sorted(pids)
    await whole.end()
    shown = [line.split(":")[0] for line in capfd.readouterr().out.splitlines()]
    assert shown.index("one") < shown.index("two") < shown.index("three")
    ends = [line for line in shown if line in ("one", "two", "three")][-3:]
    assert ends == ["three", "two", "one"]
    assert not any(map(psutil.pid_exists, pids))
    assert state.read(whole.state_file) is None


@pytest.mark.usefixtures("quick")
async def test_a_killed_part_is_started_again_and_counted(tmp_path):
    """A new process takes the part's place; `stile status` counts it."""
    whole = await Whole(tmp_path, make_part("one"), make_part("two")).up()
    before = whole.status("two")
    os.kill(before.pid, signal.SIGKILL)
    await until(lambda: whole.status("two").restarts == 1 and whole.status("two").state == PartState.RUNNING)
    assert whole.status("two").pid not in (None, before.pid)
    assert whole.status("one").restarts == 0
    await whole.end()


@pytest.mark.usefixtures("quick")
async def test_parts_are_restarted_when_asked_for(tmp_path, capfd):
    """Each ends in order, whatever it ignores, and the next only when it is ready; no death is counted."""
    whole = await Whole(
        tmp_path, *(make_part(name, stop_within=0.3) for name in ("one", "two", "three"))
    ).up()
    await until(lambda: state.read(whole.state_file).ready)
    assert state.read(whole.state_file).takes_restarts
    before = {name: whole.status(name).pid for name in ("one", "two", "three")}
    for _ in range(runner.MOST_DEATHS):
        pid = whole.status("three").pid
        whole.restarts.write_text("three\none\nfour\n")
        os.kill(os.getpid(), signal.SIGUSR1)
        await until(lambda: whole.status("three").pid not in (None, pid))  # noqa: B023 -- awaited in this turn
        await until(lambda: whole.status("three").state == PartState.RUNNING)
    assert not whole.restarts.exists()
    assert whole.status("two").pid == before["two"]
    assert whole.status("one").pid != before["one"]
    assert not psutil.pid_exists(before["one"])
    shown = [
        line for line in capfd.readouterr().out.splitlines() if line.endswith(("restarting", "ready again"))
    ]
    assert shown[:3] == ["one: restarting", "one: ready again", "three: restarting"]
    await whole.end()


async def test_a_part_that_keeps_dying_stops_the_whole(tmp_path):
    """After the fifth death everything is stopped, and the part's last lines are handed on."""
    whole = Whole(tmp_path, make_part("one"), make_part("two", "--die-after", "0.5"))
    await whole.up()
    other = whole.status("one").pid
    with pytest.raises(PartError, match="two keeps dying") as raised:
        await asyncio.wait_for(whole.task, 60)
    assert raised.value.last_lines[-1] == "hello from two"
    assert not psutil.pid_exists(other)


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("arguments", [("--exit", "1"), ("--die-after", "0.3")])
async def test_the_others_do_without_a_part_that_is_not_needed(tmp_path, capfd, arguments):
    """Whether it refuses to start or keeps dying: it is said, and everything else runs on."""
    whole = await Whole(tmp_path, make_part("one"), make_part("two", *arguments, is_needed=False)).up()
    said = ""

    def is_said():
        nonlocal said
        said += capfd.readouterr().out
        return "everything else goes on without it" in said

    await until(is_said, within=60)
    await until(lambda: whole.status("two").state == PartState.STOPPED)
    assert whole.status("one").state == PartState.RUNNING
    await whole.end()


async def test_a_part_that_refuses_its_settings_is_not_tried_again(tmp_path):
    """Exit code 1 before it was ever ready stops the whole at once, with what the part said."""
    whole = Whole(tmp_path, make_part("one"), make_part("two", "--exit", "1"))
    with pytest.raises(PartError, match=r"two did not start \(with exit code 1\)") as raised:
        await asyncio.wait_for(whole.task, 30)
    assert raised.value.last_lines == ("hello from two", "cannot work like this")


async def test_a_part_that_is_not_ready_in_time_stops_the_whole(tmp_path):
    """A start has an end; nothing is left running."""
    silent = make_part("one", ready_within=0.5)
    silent = Part(**{**vars(silent), "ready_url": f"http://127.0.0.1:{free_port()}/"})
    with pytest.raises(PartError, match="one is not ready after"):
        await asyncio.wait_for(Whole(tmp_path, silent).task, 30)
    assert not [child for child in psutil.Process().children() if str(PROGRAM) in child.cmdline()]


async def test_a_part_that_does_not_end_is_killed(tmp_path):
    """A part that ignores SIGTERM is killed when its time is over."""
    whole = await Whole(tmp_path, make_part("deaf", "--deaf", stop_within=0.3)).up()
    pid = whole.status("deaf").pid
    await whole.end()
    assert not psutil.pid_exists(pid)


async def test_a_second_interrupt_kills_at_once(tmp_path):
    """The second Ctrl-C waits for nobody."""
    whole = await Whole(tmp_path, make_part("deaf", "--deaf", stop_within=600.0)).up()
    os.kill(os.getpid(), signal.SIGINT)
    await until(lambda: whole.status("deaf").state == PartState.STOPPING)
    await whole.end()


@pytest.mark.usefixtures("quick")
async def test_what_a_part_started_goes_with_it(tmp_path):
    """A dead part's children are ended before it is started again: they might hold its port."""
    note = tmp_path / "child.pid"
    whole = await Whole(tmp_path, make_part("parent", "--child", str(note))).up()
    grandchild = psutil.Process(int(note.read_text()))
    os.kill(whole.status("parent").pid, signal.SIGKILL)
    await until(lambda: not grandchild.is_running() or grandchild.status() == psutil.STATUS_ZOMBIE)
    await until(lambda: whole.status("parent").state == PartState.RUNNING)
    await whole.end()


@pytest.mark.parametrize("deaf", [(), ("--deaf",)])
async def test_a_part_that_is_stuck_is_started_again(tmp_path, capfd, deaf):
    """A part that lives and does not work is ended, by force if need be, and started again."""
    said = tmp_path / "said.json"
    said.write_text('{"ready": true}')
    port = free_port()
    stuck_url = f"http://127.0.0.1:{port}/readyz"
    model = make_part("model", *deaf, stuck_url=stuck_url, stop_within=0.3)
    whole = await Whole(tmp_path, model, make_part("worker", "--says", str(said), port=port)).up()
    before = whole.status("model").pid
    said.write_text('{"ready": false, "stuck": true}')
    await until(lambda: whole.status("model").restarts == 1)
    said.write_text('{"ready": true}')
    await until(lambda: whole.status("model").state == PartState.RUNNING)
    assert whole.status("model").pid != before
    assert not psutil.pid_exists(before)
    assert "model does no more work" in capfd.readouterr().out
    assert whole.status("worker").restarts == 0
    await whole.end()


async def test_a_part_inherits_no_secret_of_the_command(tmp_path, monkeypatch):
    """The keys that `stile` itself is given stand in no part's environment."""
    for name in ("STILE_LLAMA_KEY", "STILE_API_KEY"):
        monkeypatch.setenv(name, "a-secret")
    whole = await Whole(tmp_path, make_part("one")).up()
    environment = psutil.Process(whole.status("one").pid).environ()
    await whole.end()
    assert environment["PART"] == "one"
    assert "a-secret" not in environment.values()


async def test_stopping_while_a_part_waits_to_be_started_again(tmp_path):
    """A part that is dead just now is not started any more."""
    whole = await Whole(tmp_path, make_part("one")).up()
    os.kill(whole.status("one").pid, signal.SIGKILL)
    await until(lambda: whole.status("one").state == PartState.RESTARTING)
    await whole.end()
    assert not [child for child in psutil.Process().children() if str(PROGRAM) in child.cmdline()]


async def test_logs_are_kept_by_part(tmp_path, capfd):
    """Each line stands in the part's file, and on the terminal behind the part's name."""
    whole = await Whole(tmp_path, make_part("one"), make_part("two")).up()
    await whole.end()
    assert (tmp_path / "logs" / "two.log").read_text() == "hello from two\n"
    assert "two            | hello from two" in capfd.readouterr().out.splitlines()


async def test_what_runs_already_is_used_and_left_alone(tmp_path):
    """A part without a program is asked whether it is there, and is shown as external."""
    helper = await Whole(tmp_path / "a", make_part("one", port=(port := free_port()))).up()
    external = Part(name="llama", argv=(), env={}, port=None, ready_url=f"http://127.0.0.1:{port}/")
    folder = tmp_path / "b"
    folder.mkdir()
    announced = asyncio.Event()
    supervisor = Supervisor([external], folder / "logs", folder / "state.json", Terminal())
    task = asyncio.create_task(supervisor.run(announced.set))
    await asyncio.wait_for(announced.wait(), 10)
    (part,) = state.read(folder / "state.json").parts
    assert (part.state, part.pid) == (PartState.EXTERNAL, None)
    os.kill(os.getpid(), signal.SIGINT)  # the handler is the latest one's
    await asyncio.wait_for(task, 10)
    assert psutil.pid_exists(helper.status("one").pid)
    helper.task.cancel()
    await asyncio.gather(helper.task, return_exceptions=True)


async def test_what_should_run_already_and_does_not(tmp_path):
    """An address that nobody answers on is an error by its name."""
    url = f"http://127.0.0.1:{free_port()}/health"
    external = Part(name="llama", argv=(), env={}, port=None, ready_url=url)
    with pytest.raises(PartError, match=f"llama: nobody answers on {url}"):
        await asyncio.wait_for(Whole(tmp_path, external).task, 10)
