"""Several filters, consumers and gateways on one stream: who joins and who leaves loses nothing."""

import asyncio
from collections import Counter

import httpx
import pytest

from harness.nats.bus import Bus
from harness.parts.fleet import Fleet
from harness.parts.policies import unscanned
from harness.processes.wait import until


@pytest.fixture
async def fleet(tmp_path):
    """Two of each; every consumer has a model of its own."""
    bus = await Bus(tmp_path).start()
    fleet = await Fleet(tmp_path, bus, settings=unscanned(tmp_path), tokens=5, token_seconds=0.02).start(
        filters=2, consumers=2, gateways=2
    )
    yield fleet
    await fleet.stop()
    await bus.stop()


async def test_parts_join_and_leave_under_load(fleet):
    """Under load one of each kind leaves and another joins: nobody is refused, nothing is asked twice."""
    prompts = [f"question {number}" for number in range(60)]
    async with httpx.AsyncClient(timeout=120, limits=httpx.Limits(max_connections=None)) as client:
        through = ["gateway-1"] * 30 + ["gateway-2"] * 10
        asking = [
            asyncio.create_task(fleet.ask(client, prompt, gateway))
            for prompt, gateway in zip(prompts, through, strict=False)
        ]
        await until(lambda: answered(asking) >= 4, within=60, what="the first are answered")
        for name in ("filter-3", "consumer-3", "gateway-3"):
            await fleet.add(name)
        leaving = [asyncio.create_task(fleet.remove(name)) for name in ("filter-1", "consumer-1")]
        await fleet.ready("filter-3", "consumer-3", "gateway-3")
        asking += [
            asyncio.create_task(fleet.ask(client, prompt, "gateway-3")) for prompt in prompts[len(asking) :]
        ]
        leaving.append(asyncio.create_task(fleet.remove("gateway-2")))
        answers = await asyncio.gather(*asking)
        assert await asyncio.gather(*leaving) == [0, 0, 0]
    assert answers == [f"echo: {prompt}" for prompt in prompts]
    assert await fleet.generated() == Counter(prompts)
    assert await fleet.most_open() == {"consumer-1": 1, "consumer-2": 1, "consumer-3": 1}


async def test_parts_are_killed_under_load(fleet):
    """Kill -9 of a filter and of a consumer that writes: what they had in hand is another's after a lease."""
    prompts = [f"question {number}" for number in range(30)]
    async with httpx.AsyncClient(timeout=120, limits=httpx.Limits(max_connections=None)) as client:
        asking = [asyncio.create_task(fleet.ask(client, prompt)) for prompt in prompts]
        await until(lambda: answered(asking) >= 4, within=60, what="the first are answered")
        fleet.kill("filter-1")
        await until(lambda: is_writing(fleet, "consumer-1"), within=30, what="the consumer writes")
        fleet.kill("consumer-1")
        answers = await asyncio.gather(*asking)
    assert answers == [f"echo: {prompt}" for prompt in prompts]
    generated = await fleet.generated()
    # The one in the killed consumer's hand may have been written to its end, and its outcome not stored.
    assert set(generated) == set(prompts)
    assert sum(generated.values()) <= len(prompts) + 1
    assert set((await fleet.most_open()).values()) == {1}


async def test_work_goes_to_whoever_is_idle(fleet):
    """Of requests that come in pairs both models write some; neither writes for two."""
    async with httpx.AsyncClient(timeout=60) as client:
        for number in range(3):
            await asyncio.gather(
                *(fleet.ask(client, f"{name} of pair {number}") for name in ("one", "other"))
            )
    shares = [len((await model.log())["generations"]) for model in fleet.models.values()]
    assert (sum(shares), min(shares) > 0) == (6, True)
    assert set((await fleet.most_open()).values()) == {1}


async def is_writing(fleet, consumer):
    log = await fleet.models[consumer].log()
    return any(entry["outcome"] == "running" for entry in log["generations"])


def answered(asking):
    return sum(task.done() for task in asking)
