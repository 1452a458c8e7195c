"""The whole way, on real parts, before a stand-in model that records what it generated."""

import asyncio
import json
import time
from uuid import uuid4

import httpx

from harness.processes.wait import until

BANNED = "what the fuck"


async def ask(client, system, prompt, **fields):
    answer = await client.post(f"{system.url}/chat", json={"prompt": prompt, **fields})
    return answer.status_code, answer.json()


async def test_a_chat_is_answered_with_the_originals_curl(start_system):
    """The original's request and its reply's one field, with what Stile adds beside it."""
    system = await start_system()
    async with httpx.AsyncClient(timeout=60) as client:
        status, reply = await ask(
            client, system, "And why?", refusal_message="No.", messages=[{"role": "user", "content": "Hi"}]
        )
    assert status == 200
    assert reply["response"].startswith("echo: And why?")
    assert reply["refused"] is False
    assert reply["usage"]["completion_tokens"] == 3


async def test_a_refusal_is_the_callers_own_words(start_system):
    """A banned word anywhere is answered with 200, the caller's text, and where it stood."""
    system = await start_system()
    async with httpx.AsyncClient(timeout=60) as client:
        status, reply = await ask(client, system, BANNED, refusal_message="Ask your teacher.")
        assert (status, reply["response"], reply["refusal"]["place"]) == (200, "Ask your teacher.", "prompt")
        history = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": BANNED}]
        status, reply = await ask(client, system, "Go on", messages=history, refusal_message="No.")
        assert (status, reply["response"], reply["refusal"]["place"]) == (200, "No.", "messages[1]")
    assert await system.model.prompts() == []


async def test_twenty_at_once_are_answered_one_at_a_time(start_system):
    """Twenty clients ask together: each hears its own answer, and no two requests were ever open."""
    system = await start_system(token_seconds=0.01)
    async with httpx.AsyncClient(timeout=60) as client:
        answers = await asyncio.gather(*(ask(client, system, f"question {n}") for n in range(20)))
    for number, (status, reply) in enumerate(answers):
        assert status == 200
        assert reply["response"].split(" word")[0] == f"echo: question {number}"
    record = await system.model.log()
    assert record["most_open"] == 1
    assert len(record["generations"]) == 20


async def test_a_consumer_killed_in_mid_answer_loses_nothing(start_system):
    """Kill -9 while it writes, then a start: the client still gets its answer, and no other's."""
    system = await start_system(tokens=30, token_seconds=0.1)
    async with httpx.AsyncClient(timeout=60) as client:
        asking = asyncio.create_task(ask(client, system, "still there?"))
        await until(lambda: generating(system), what="the model writes")
        system.parts["consumer"].kill()
        system.start_part("consumer")
        status, reply = await asking
    assert status == 200
    assert reply["response"].startswith("echo: still there?")
    outcomes = [generation["outcome"] for generation in (await system.model.log())["generations"]]
    assert outcomes == ["cancelled", "done"]


async def test_a_filter_killed_under_load_loses_nothing_that_came_over_http(start_system):
    """Kill -9 of the filter while clients ask: each of them gets an answer, and each its own."""
    # Longer than a filter takes to start on a loaded machine.
    system = await start_system(token_seconds=0.005, settings={"STILE_ACCEPT_TIMEOUT": "120"})
    async with httpx.AsyncClient(timeout=180) as client:
        asking = [asyncio.create_task(ask(client, system, f"question {n}")) for n in range(30)]
        await until(lambda: generating(system), what="the first is being answered")
        system.parts["filter"].kill()
        asking += [asyncio.create_task(ask(client, system, f"question {n}")) for n in range(30, 45)]
        system.start_part("filter")
        answers = await asyncio.gather(*asking)
    assert [status for status, _ in answers] == [200] * 45
    for number, (_, reply) in enumerate(answers):
        assert reply["response"].split(" word")[0] == f"echo: question {number}"
    prompts = await system.model.prompts()
    assert sorted(prompts) == sorted(f"question {n}" for n in range(45)), "each was generated once"


async def test_a_repeat_makes_no_second_generation(start_system):
    """The same id again, while it waits, while it runs, and after it is done: one generation."""
    system = await start_system(tokens=20, token_seconds=0.05)
    gateway = await system.bus.connect("gateway")
    inbox = f"_INBOX_gateway.test.{uuid4().hex}"
    heard = []

    async def hear(message):
        heard.append((message.headers["Chat-Event"], json.loads(message.data)))

    await gateway.subscribe(inbox, cb=hear)
    headers = {
        "Chat-Id": str(uuid4()),
        "Chat-Client": "http-test",
        "Chat-Events": "state",
        "Chat-Deadline": str(int((time.time() + 60) * 1000)),
    }

    async def send():
        body = json.dumps({"prompt": "once"}).encode()
        await gateway.publish("chat.request.gateway", body, reply=inbox, headers=headers)

    def count(event):
        return sum(1 for kind, _ in heard if kind == event)

    async with httpx.AsyncClient(timeout=60) as client:
        before = asyncio.create_task(ask(client, system, "before"))
        await until(lambda: generating(system), what="another is running")
        await send()
        await until(lambda: count("accepted") == 1, what="accepted")
        await send()
        await until(lambda: count("accepted") == 2, what="accepted again while it waits")
        await until(lambda: count("started") == 1, what="started")
        await send()
        await until(lambda: count("accepted") == 3, what="accepted again while it runs")
        await until(lambda: count("done") == 1, what="done")
        await send()
        await until(lambda: count("done") == 2, what="the stored outcome")
        await before
    answers = [body for kind, body in heard if kind == "done"]
    assert answers[0] == answers[1]
    assert await system.model.prompts() == ["before", "once"]


async def test_a_direct_client_gets_exactly_one_reply(start_system):
    """``nats req`` takes the first message for the answer, so there is one, and it is the answer."""
    system = await start_system()
    alice = await system.bus.connect("alice")
    heard = []
    inbox = alice.new_inbox()

    async def hear(message):
        heard.append(json.loads(message.data))

    await alice.subscribe(inbox, cb=hear)
    await alice.publish("chat.request", b'{"prompt":"Why is the sky blue?"}', reply=inbox)
    await until(lambda: heard, what="the answer")
    # A second request's answer comes behind whatever the first one may have left.
    await alice.request("chat.request", b'{"prompt":"Again"}', timeout=30)
    assert [reply["response"] for reply in heard] == ["echo: Why is the sky blue? word word"]


async def test_a_direct_client_that_waits_over_two_minutes_gets_its_answer(start_system):
    """nats-server keeps the reply mapping for longer than its default of two minutes."""
    system = await start_system(tokens=20, token_seconds=13.0)
    alice = await system.bus.connect("alice")
    async with httpx.AsyncClient(timeout=600) as client:
        before = asyncio.create_task(ask(client, system, "a long one", max_tokens=10))
        await until(lambda: generating(system), what="another is running")
        answer = await alice.request("chat.request", b'{"prompt":"I waited","max_tokens":1}', timeout=600)
        await before
    assert json.loads(answer.data)["response"] == "echo: I waited"


async def generating(system):
    return any(entry["outcome"] == "running" for entry in (await system.model.log())["generations"])
