"""Two consumers with a model each: who answers what, whole systems with a stand-in for each llama.cpp."""

import asyncio
import json

import httpx
import pytest

from harness.nats.bus import Bus
from harness.parts.fleet import Fleet
from harness.parts.policies import unscanned
from harness.processes.wait import until

SMALL, LARGE = "Small-1.5", "large"
LATER = {"Prefer": "respond-async"}
MINUTES = {"tokens": 4000, "token_seconds": 0.05}


@pytest.fixture
async def fleet(tmp_path):
    """One of each, and two consumers, ``consumer-small`` and ``consumer-large``."""
    bus = await Bus(tmp_path).start()
    fleet = Fleet(tmp_path, bus, settings=unscanned(tmp_path), tokens=3)
    for name, model in [("small", SMALL), ("large", LARGE)]:
        await fleet.add(f"consumer-{name}", model)
    for name in ("filter-1", "gateway-1"):
        await fleet.add(name)
    await fleet.ready()
    yield fleet
    await fleet.stop()
    await bus.stop()


@pytest.fixture
async def http(fleet):
    """An HTTP client; both models are known when a test begins."""
    async with httpx.AsyncClient(base_url=fleet.parts["gateway-1"].url, timeout=60) as client:

        async def both():
            return [model["id"] for model in (await client.get("/v1/models")).json()["data"]]

        await until(lambda: _is(both, [SMALL, LARGE]), what="both models are there")
        yield client


async def _is(ask, expected):
    return await ask() == expected


async def prompts(fleet, name):
    return await fleet.models[f"consumer-{name}"].prompts()


async def ask_later(http, prompt, model, **headers):
    """Ask, and return the request's id as soon as it is accepted."""
    body = {"prompt": prompt, "model": model}
    answer = await http.post("/chat", json=body, headers=LATER | headers)
    assert answer.status_code == 202, answer.text
    return answer.json()["id"]


async def state_of(http, chat_id):
    return (await http.get(f"/chat/{chat_id}")).json()["state"]


async def test_a_request_goes_to_the_model_that_it_names(fleet, http):
    """Over each way in, in upper or lower case; the answer names its model."""
    asks = [("/chat", {"prompt": name}) for name in ("s", "l")]
    asks += [
        ("/v1/chat/completions", {"messages": [{"role": "user", "content": name}]}) for name in ("s", "l")
    ]
    for _ in range(2):
        answers = await asyncio.gather(
            *(
                http.post(path, json=body | {"model": model})
                for (path, body), model in zip(asks, ["SMALL-1.5", "large"] * 2, strict=True)
            )
        )
        assert [answer.json()["model"] for answer in answers] == [SMALL, LARGE] * 2
    device = await fleet.bus.connect("alice")
    reply = await device.request("chat.request", b'{"prompt": "l", "model": "Large"}', timeout=30)
    assert json.loads(reply.data)["model"] == LARGE
    assert await prompts(fleet, "small") == ["s"] * 4
    assert await prompts(fleet, "large") == ["l"] * 5


@pytest.mark.parametrize("model", [{}, {"model": "stile"}])
async def test_a_request_that_names_none_goes_to_whoever_is_idle(fleet, http, model):
    """Of pairs that come at once each model writes some."""
    for number in range(4):
        await asyncio.gather(*(fleet.ask(http, f"{name} {number}", **model) for name in ("one", "other")))
    shares = [len(await prompts(fleet, name)) for name in ("small", "large")]
    assert (sum(shares), min(shares) > 0) == (8, True)
    assert set((await fleet.most_open()).values()) == {1}


async def test_a_long_queue_of_one_model_holds_up_nobody_of_the_other(fleet, http):
    """Nor does it hold up who names none: the other's worker is idle."""
    await fleet.models["consumer-small"].speed(**MINUTES)
    waiting = [await ask_later(http, f"s {number}", SMALL) for number in range(4)]
    for model in ({"model": LARGE}, {}):
        assert await fleet.ask(http, "l", **model) == "echo: l"
    assert [await state_of(http, chat_id) for chat_id in waiting] == ["running", *["waiting"] * 3]
    for chat_id in waiting:
        await http.delete(f"/chat/{chat_id}")


async def test_requests_wait_for_a_worker_that_went_away(fleet, http):
    """Another that is idle does not take them; the one that comes back does."""
    await fleet.remove("consumer-small")
    waiting = [await ask_later(http, f"s {number}", SMALL) for number in range(2)]
    assert await fleet.ask(http, "any") == "echo: any"
    assert [await state_of(http, chat_id) for chat_id in waiting] == ["waiting"] * 2
    await fleet.add("consumer-small")
    for number, chat_id in enumerate(waiting):
        found = await http.get(f"/chat/{chat_id}", params={"wait": "30"})
        assert found.json()["response"].startswith(f"echo: s {number}")
    assert (await prompts(fleet, "small"), await prompts(fleet, "large")) == (["s 0", "s 1"], ["any"])


async def test_a_model_that_nobody_has_is_not_found(fleet, http):
    """The same on every way in: 404, with the models that there are; nothing is asked of any."""
    body = {"prompt": "x", "model": "gpt-4o"}
    completion = {"messages": [{"role": "user", "content": "x"}], "model": "gpt-4o"}
    device = await fleet.bus.connect("alice")
    over_nats = await device.request("chat.request", json.dumps(body).encode(), timeout=30)
    assert over_nats.headers["Nats-Service-Error-Code"] == "404"
    errors = [json.loads(over_nats.data)["error"]]
    for path, asked in [("/chat", body), ("/v1/chat/completions", completion)]:
        for stream in (False, True):
            answer = await http.post(path, json=asked | {"stream": stream})
            assert answer.status_code == 404
            errors.append(answer.json()["error"])
    assert {error["code"] for error in errors} == {"model_not_found"}
    assert {error["param"] for error in errors} == {"model"}
    assert all(f"{SMALL}, {LARGE}" in error["message"] for error in errors)
    assert errors[-1]["type"] == "invalid_request_error"
    assert not await prompts(fleet, "small") + await prompts(fleet, "large")


async def test_a_key_has_one_place_whatever_the_model(fleet, http):
    """While it waits: the same request in another lane is the first one, another model is a conflict."""
    await fleet.remove("consumer-small")
    key = {"Idempotency-Key": "k"}
    first = await ask_later(http, "x", SMALL, **key)
    assert await ask_later(http, "x", SMALL, **key, **{"Stile-Lane": "batch"}) == first
    for other in (LARGE, None):
        answer = await http.post("/chat", json={"prompt": "x", "model": other}, headers=LATER | key)
        assert (answer.status_code, answer.json()["error"]["code"]) == (422, "key_conflict")
    await fleet.add("consumer-small")
    assert (await http.get(f"/chat/{first}", params={"wait": "30"})).json()["model"] == SMALL


async def test_a_request_for_a_model_is_cancelled_as_any_other(fleet, http):
    """The one that runs frees its model, the one that waits leaves the queue; the next is begun."""
    await fleet.models["consumer-small"].speed(**MINUTES)
    runs, waits = [await ask_later(http, prompt, SMALL) for prompt in ("runs", "waits")]
    await until(lambda: _is(lambda: state_of(http, runs), "running"), what="the first runs")
    for chat_id, hit in ((waits, "waiting"), (runs, "running")):
        assert (await http.delete(f"/chat/{chat_id}")).json()["hit"] == hit
        # The receipt comes at once; the worker may still have to let go.
        found = await http.get(f"/chat/{chat_id}", params={"wait": "30"})
        assert found.json()["error"]["code"] == "cancelled"
    await fleet.models["consumer-small"].speed(tokens=3, token_seconds=0)
    assert await fleet.ask(http, "next", model=SMALL) == "echo: next"
    assert await prompts(fleet, "small") == ["runs", "next"]
