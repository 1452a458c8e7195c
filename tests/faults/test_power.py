"""Power loss is more than kill -9: what was said to be stored must have been written to the disk before."""

import re
from contextlib import aclosing

import pytest

from faults import syscalls
from faults.run import POLICY
from harness.clients.http_client import HttpClient
from harness.models.standin import Standin
from harness.nats.bus import Bus
from harness.parts.system import System

_FILE = re.compile(r"\(\d+<(?P<path>[^>]*/(?P<stream>CHAT|CHAT_RESULT)/msgs/\d+\.blk)>")


@pytest.fixture
async def traced(tmp_path):
    """Every part, with strace at nats-server; and what it writes."""
    file = tmp_path / "syscalls"
    wrapper = syscalls.wrapper(file)
    if not wrapper:
        pytest.skip("strace is not installed")
    model = await Standin(tmp_path).start()
    (policy := tmp_path / "policy.yml").write_text(POLICY)
    system = System(tmp_path, model, settings={"STILE_POLICY": str(policy)})
    system.bus = Bus(tmp_path, wrapper=wrapper)
    await system.start()
    yield system, file
    await system.stop()


async def test_accepted_and_done_are_said_after_the_disk_has_them(traced):
    """For each request nats-server writes it, has the disk confirm that (fsync), and only then says so.

    `accepted` and `done` pass through nats-server as all messages do, so one process's system calls show the
    order: the message into the stream's file, fsync of that file returns 0, `accepted` out of a socket; and
    the same for the outcome before `done`.
    """
    system, file = traced
    ids = []
    async with HttpClient(system.url, 0) as visitor:
        for number in range(3):
            async with aclosing(visitor.events(f"question {number}")) as events:
                heard = [event async for event in events]
            assert [heard[0].name, heard[-1].name] == ["queued", "done"]
            ids.append(heard[0].data["id"])
    await system.bus.stop()  # strace has then written all that it saw
    calls = syscalls.read(file)
    for chat_id in ids:
        for stream, event in (("CHAT", "accepted"), ("CHAT_RESULT", "done")):
            written = next(call for call in calls if is_write(call, stream, chat_id))
            said = next(call for call in calls if is_said(call, event, chat_id))
            between = [call for call in calls if written.ended < call.began and call.ended < said.began]
            assert any(is_sync(call, written) for call in between), f"{event} before fsync of {stream}"


def is_write(call, stream, chat_id):
    file = _FILE.search(call.text)
    return call.text.startswith("pwrite64(") and file and file["stream"] == stream and chat_id in call.text


def is_sync(call, written):
    path = _FILE.search(written.text)["path"]
    return (
        call.text.startswith(("fsync(", "fdatasync("))
        and f"<{path}>" in call.text
        and call.text.endswith("= 0")
    )


def is_said(call, event, chat_id):
    return (
        call.text.startswith(("write(", "writev("))
        and "<TCP" in call.text
        and f"Chat-Event: {event}" in call.text
        and chat_id in call.text
    )
