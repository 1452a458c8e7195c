"""An edge site: its own nats-server, a leaf of the hub's, over a link that can be cut."""

import asyncio
import json

import httpx
import nats.errors
import pytest

from harness.nats.bus import Bus
from harness.nats.leaf_site import LeafSite
from harness.parts.fleet import Fleet
from harness.parts.policies import unscanned
from harness.processes.wait import until


@pytest.fixture
async def hub(tmp_path):
    """A hub with a filter, and a consumer whose model takes its time."""
    bus = await Bus(tmp_path, hub=True).start()
    fleet = await Fleet(tmp_path, bus, settings=unscanned(tmp_path), tokens=10, token_seconds=0.1).start()
    yield fleet
    await fleet.stop()
    await bus.stop()


@pytest.fixture
async def site(tmp_path, hub):
    """The edge site, joined."""
    site = await LeafSite(tmp_path, hub.bus).start()
    await site.open_gateway()
    yield site
    await site.stop()


async def post(site, prompt):
    async with httpx.AsyncClient(timeout=300) as client:
        answer = await client.post(f"{site.gateway.url}/chat", json={"prompt": prompt})
    return answer.status_code, answer.json().get("response", "").split(" word")[0]


async def test_what_is_asked_over_http_while_the_link_is_down_waits(hub, site):
    """The site's gateway holds them, and the one whose answer was under way, until the link is back."""
    running = asyncio.create_task(post(site, "before"))
    await until(lambda: generating(hub), what="the first is being answered")
    await site.link.cut()
    await site.joined(0)
    waiting = [asyncio.create_task(post(site, f"meanwhile {number}")) for number in range(3)]
    # The hub has finished the first by now, and its answer met nobody.
    await until(lambda: done(hub), within=30, what="the first is answered")
    await until(site.is_alone, within=30, what="the site hears nothing of the hub")
    assert not any(task.done() for task in (running, *waiting))
    await site.link.mend()
    assert await running == (200, "echo: before")
    assert await asyncio.gather(*waiting) == [(200, f"echo: meanwhile {number}") for number in range(3)]
    assert set((await hub.generated()).values()) == {1}


async def test_a_response_of_a_site_is_read_and_continued_there(hub, site):
    """Its record lies at the hub; a device of the site cannot read it, nor what anybody else has stored."""
    async with httpx.AsyncClient(base_url=site.gateway.url, timeout=60) as http:
        first = (await http.post("/v1/responses", json={"input": "the first"})).json()
        again = (await http.get(f"/v1/responses/{first['id']}")).json()
        assert again["output"] == first["output"]
        items = (await http.get(f"/v1/responses/{first['id']}/input_items")).json()
        assert items["data"][0]["content"][0]["text"] == "the first"
        continued = {"input": "the second", "previous_response_id": first["id"]}
        second = await http.post("/v1/responses", json=continued)
        assert second.status_code == 200, second.text
        said = [message["content"] for message in (await hub.models["consumer-1"].log())["last"]["messages"]]
        assert "the first" in said
        assert (await http.delete(f"/v1/responses/{first['id']}")).status_code == 200
        assert (await http.get(f"/v1/responses/{first['id']}")).status_code == 404
    device = await site.device()
    with pytest.raises((nats.errors.NoRespondersError, nats.errors.TimeoutError)):
        await device.request("chat.recall", b'{"seq": 1}', timeout=2)
    await device.close()


async def test_a_device_that_repeats_under_its_key_gets_its_answer(hub, site):
    """Over NATS nothing waits for a device: it is told at once that nobody answers, and repeats by itself."""
    device = await site.device()
    key = {"Chat-Key": "reading-1"}
    body = json.dumps({"prompt": "how warm is it?"}).encode()
    # Asked before the cut: its answer is lost with the link.
    asking = asyncio.create_task(device.request("chat.request", body, timeout=300, headers=key))
    await until(lambda: generating(hub), what="it is being answered")
    await site.link.cut()
    await site.joined(0)
    with pytest.raises(nats.errors.NoRespondersError):
        await device.request("chat.request", body, timeout=30, headers=key)
    await site.link.mend()
    await site.joined(2)

    async def repeated():
        try:
            said = json.loads((await device.request("chat.request", body, timeout=30, headers=key)).data)
        except nats.errors.NoRespondersError:
            return None
        return said.get("response")

    answer = await until(repeated, within=60, what="the repeat brings the answer")
    assert answer.startswith("echo: how warm is it?")
    assert await hub.generated() == {"how warm is it?": 1}
    asking.cancel()
    await device.close()


async def test_a_site_speaks_as_its_users_and_no_others(hub, site):
    """A device at the site can do there what it can do at the hub: ask, and nothing else."""
    device = await site.device()
    workers = await hub.bus.connect("filter")
    heard = await workers.subscribe("chat.event.consumer")
    await workers.flush()
    for subject in ("chat.approved.interactive.alice.x", "chat.event.consumer", "chat.request.gateway"):
        await device.publish(subject, b"forged")
    answer = await device.request("chat.request", b'{"prompt": "still here"}', timeout=60)
    assert b"echo: still here" in answer.data
    # The consumer's own heartbeat, and nothing that was published before it.
    assert json.loads((await heard.next_msg(timeout=10)).data)["part"] == "consumer"
    await device.close()


async def generating(fleet):
    return any(entry["outcome"] == "running" for entry in await entries(fleet))


async def done(fleet):
    return any(entry["outcome"] == "done" for entry in await entries(fleet))


async def entries(fleet):
    return (await fleet.models["consumer-1"].log())["generations"]
