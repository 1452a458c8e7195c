"""One server of three is killed under load: whoever asked is answered, with its own answer."""

import asyncio

import httpx
import pytest

from harness.processes.wait import until
from stile_contracts import subjects

pytestmark = pytest.mark.asyncio(loop_scope="module")

CLIENTS = 30


async def follower(cluster):
    leaders = {
        await cluster.meta_leader(),
        await cluster.stream_leader(subjects.CHAT_STREAM),
        await cluster.stream_leader(subjects.RESULT_STREAM),
    }
    others = [node for node in cluster.nodes.values() if node not in leaders]
    return others[0] if others else next(iter(cluster.nodes.values()))


async def meta_leader(cluster):
    return await cluster.meta_leader()


async def queue_leader(cluster):
    return await cluster.stream_leader(subjects.CHAT_STREAM)


async def outcome_leader(cluster):
    return await cluster.stream_leader(subjects.RESULT_STREAM)


@pytest.mark.parametrize("victim", [follower, meta_leader, queue_leader, outcome_leader])
async def test_a_server_killed_under_load_loses_nothing(cluster, fleet, victim):
    """Kill -9 while requests wait, run and come; more come while it is gone; it comes back and catches up."""
    prompts = [f"{victim.__name__} {number}" for number in range(CLIENTS)]
    async with httpx.AsyncClient(timeout=240, limits=httpx.Limits(max_connections=None)) as client:
        asking = [asyncio.create_task(fleet.ask(client, prompt)) for prompt in prompts[:20]]
        await until(lambda: answered(asking, 4), within=60, what="the first are answered")
        node = await victim(cluster)
        node.process.kill()
        try:
            asking += [asyncio.create_task(fleet.ask(client, prompt)) for prompt in prompts[20:]]
            answers = await asyncio.gather(*asking)
        finally:
            # The next test kills another: without this one there would be no majority.
            await cluster.restart(node)
    assert answers == [f"echo: {prompt}" for prompt in prompts]
    generated = await fleet.generated()
    assert {prompt for prompt in prompts if generated[prompt] == 0} == set()
    assert set((await fleet.most_open()).values()) == {1}, "one at a time, on each model"
    # The queue is empty: what was answered has left it, on every server.
    await until(lambda: waiting(cluster), within=60, what="nothing is left in the queue")
    await fleet.ready()


@pytest.mark.usefixtures("fleet")
@pytest.mark.parametrize("node", ["n1", "n2", "n3"])
async def test_a_direct_client_is_answered_through_every_server(cluster, node):
    """The way back of a service import leads through whichever servers the parts are connected to."""
    alice = await cluster.connect("alice", node=node)
    answer = await alice.request("chat.request", b'{"prompt": "over here"}', timeout=60)
    assert b"echo: over here" in answer.data


def answered(asking, count):
    return sum(task.done() for task in asking) >= count


async def waiting(cluster):
    provisioner = await cluster.connect("provisioner")
    info = await provisioner.jetstream().stream_info(subjects.CHAT_STREAM)
    await provisioner.close()
    return info.state.messages == 0
