"""The console before real parts: what it shows is so, and what it changes is taken up without a restart."""

import asyncio
import re

from harness.processes import plain_http
from harness.processes.wait import until

WORD = "xylofoon"


async def chat(system, prompt, key=None, **fields):
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    async with plain_http.client(timeout=120) as client:
        return await client.post(f"{system.url}/chat", json={"prompt": prompt, **fields}, headers=headers)


async def records(owner, **asked):
    """Return the history's records."""
    return (await owner.get("history", params=asked)).json()["records"]


async def test_each_part_is_shown(owner):
    """All are ready, those with heartbeats by their version; the disk is there."""

    async def all_ready():
        health = (await owner.get("health")).json()
        return health if health["ready"] and all(part["ready"] for part in health["parts"]) else None

    health = await until(all_ready, within=30, what="all parts are heard")
    assert {part["name"] for part in health["parts"]} == {
        *("nats", "filter-service", "rust-consumer", "gateway", "console"),
    }
    assert {part["name"] for part in health["parts"] if "version" in part} >= {
        "filter-service",
        "rust-consumer",
    }
    assert 0 < health["disk"]["free_bytes"] <= health["disk"]["total_bytes"]


async def test_what_happened_is_told_without_its_text(owner, system):
    """An answer with its tokens, a refusal with rule and place; neither request's words are anywhere."""
    assert (await chat(system, "The sky is azure-ish")).status_code == 200
    refused = await chat(system, "fuck the azure-ish sky")
    assert refused.json()["refused"]
    found = await until(lambda: _two(owner), within=30, what="both are recorded")
    by_outcome = {record["outcome"]: record for record in found}
    assert by_outcome["answered"]["answer_tokens"] > 0
    assert by_outcome["refused"]["rule"] == "profanity"
    assert by_outcome["refused"]["place"] == "prompt"
    whole = (await owner.get("history")).text
    assert "azure" not in whole
    assert "fuck" not in whole
    assert [record["outcome"] for record in await records(owner, rule="profanity")] == ["refused"]
    assert await records(owner, client="http-nobody") == []
    assert await records(owner, day="2001-01-01") == []


async def _two(owner):
    found = await records(owner)
    return found if len(found) == 2 else None


async def test_a_console_that_starts_later_reads_the_log(console, system):
    """What happened before it was started is in the stream."""
    assert await console.stop() == 0
    await chat(system, "Hello")
    await console.start()
    owner = await console.owner()

    async def is_there():
        return [record["outcome"] for record in await records(owner)] == ["answered"]

    await until(is_there, within=30, what="the record is read")
    await owner.aclose()


async def test_keys_for_a_class_are_needed_used_limited_and_revoked(owner, system):
    """Thirty at once; the gateway knows each change within seconds, without a restart."""
    names = [f"pupil-{number}" for number in range(1, 31)]
    limits = {"requests_per_minute": 100}
    made = await owner.post(
        "keys", json={"names": names, "limits": limits, "address": "http://school.lan:8000/"}
    )
    tickets = made.raise_for_status().json()
    assert [ticket["name"] for ticket in tickets] == names
    assert len({ticket["key"] for ticket in tickets}) == 30
    for ticket in tickets:
        assert ticket["link"] == f"http://school.lan:8000/#key={ticket['key']}"
        assert re.fullmatch(r"(M\d+ \d+\.5h\d+)+", ticket["qr"]["path"])
    first, second = tickets[0]["key"], tickets[1]["key"]

    async def is_needed():
        return (await chat(system, "Hello")).status_code == 401

    await until(is_needed, within=30, what="a key is asked for")
    assert (await chat(system, "Hello", first)).status_code == 200

    async def is_counted():
        people = (await owner.get("people")).json()["people"]
        return {person.get("name"): person["today"]["requests"] for person in people}["pupil-1"] == 1

    await until(is_counted, within=30, what="the use is counted")

    await owner.put("keys/pupil-2", json={"requests_per_minute": 1})

    async def is_limited():
        return (await chat(system, "Hello", second)).status_code == 429

    await until(is_limited, within=30, what="the limit counts")
    person = (await owner.get("people")).json()["people"][1]
    assert (person["name"], person["requests_per_minute"]) == ("pupil-2", 1)

    assert (await owner.post("keys/revoke", json={"names": names[:1]})).status_code == 204

    async def is_gone():
        return (await chat(system, "Hello", first)).status_code == 401

    await until(is_gone, within=30, what="the key is revoked")
    assert (await chat(system, "Hello", tickets[2]["key"])).status_code == 200


async def test_a_word_is_blocked_without_a_restart(owner, system):
    """It is tried in a draft, refused after the change, and shown with its place in the text."""
    policy = (await owner.get("policy")).json()
    text = f"Where can I buy a {WORD}?"
    assert not (await chat(system, text)).json()["refused"]
    changed = policy["text"].replace(
        "keywords:\n", f"keywords:\n- {{id: music, category: music, phrases: [{WORD}]}}\n", 1
    )
    assert changed != policy["text"]
    tried = (await owner.post("policy/try", json={"text": text, "policy": changed})).json()
    assert (tried["state"], tried.get("faults", [])) == ("refuse", [])
    (rule,) = [rule for rule in tried["rules"] if rule["state"] == "refuse"]
    assert rule["rule"] == "music"
    assert text[slice(*rule["span"])] == WORD
    assert (await owner.post("policy/try", json={"text": text})).json()["state"] == "allow"

    applied = await owner.put("policy", json={"policy": changed, "base": policy["digest"]})
    assert applied.json() == {"is_applied": True, "faults": []}
    assert (await chat(system, text)).json()["refused"]

    again = await owner.put("policy", json={"policy": policy["text"], "base": policy["digest"]})
    assert again.status_code == 409


async def test_a_bad_policy_changes_nothing(owner, console, system):
    """Its faults are told by line, also those that its own tests find; the file stays as it was."""
    policy = (await owner.get("policy")).json()
    before = console.policy.read_bytes()
    for text, line, reason in (
        ("keywords:\n- {id: x, category: y, phrasez: [z]}\n", 2, "phrasez"),
        ("keywords: [\n", 2, "YAML"),
        ("keywords:\n- {id: x, category: y, phrases: [z]}\ntests:\n  refuse: [w]\n", 4, "refused"),
    ):
        answer = await owner.put("policy", json={"policy": text, "base": policy["digest"]})
        assert not answer.json()["is_applied"], text
        assert [fault["line"] for fault in answer.json()["faults"]] == [line], answer.text
        assert reason in answer.json()["faults"][0]["reason"]
        checked = (await owner.post("policy/check", json={"policy": text})).json()
        assert checked["faults"] == answer.json()["faults"]
    assert console.policy.read_bytes() == before
    assert (await chat(system, "fuck")).json()["refused"]


async def test_a_policy_that_a_filter_refuses_is_taken_back(owner, console, system):
    """A new scanner can be tried by taking it up alone; if it can't be built, the file is as it was."""
    policy = (await owner.get("policy")).json()
    before = console.policy.read_bytes()
    changed = policy["text"] + "input_scanners:\n- {type: Regex, params: {pattern: x}}\n"
    answer = await owner.put("policy", json={"policy": changed, "base": policy["digest"]})
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "conflict"), answer.text
    assert console.policy.read_bytes() == before
    assert (await chat(system, "fuck")).json()["refused"]


async def test_a_runaway_is_stopped_and_the_queue_is_held(owner, system):
    """Who is answered and who waits is shown; one is cancelled; nothing starts while the queue is held."""
    await system.model.speed(tokens=10_000, token_seconds=0.05)
    runaway = asyncio.create_task(chat(system, "Tell everything"))

    async def runs():
        return (await owner.get("queue")).json()["queue"]["running"]

    (running,) = await until(runs, within=30, what="it is answered")
    assert running["client"] == "http-127-0-0-1"
    hit = await owner.delete(f"queue/{running['client']}/{running['id']}")
    assert hit.status_code == 200, hit.text
    assert (await runaway).json()["error"]["code"] == "cancelled"

    await system.model.speed(tokens=3, token_seconds=0)
    assert (await owner.put("queue/hold", json={"held": True})).json() == {"held": True}
    waiting = asyncio.create_task(chat(system, "Hello"))

    async def waits():
        queue = (await owner.get("queue")).json()["queue"]
        return queue["held"] and queue["waiting_count"] == 1 and not queue["running"]

    await until(waits, within=30, what="it waits")
    assert (await owner.put("queue/hold", json={"held": False})).json() == {"held": False}
    assert (await waiting).status_code == 200


async def test_without_a_bus_it_says_so(owner, system):
    """The queue and a verdict are errors in words, and Health shows which part is away."""
    system.bus.kill()

    async def is_away():
        parts = (await owner.get("health")).json()["parts"]
        return not next(part for part in parts if part["name"] == "nats")["ready"]

    await until(is_away, within=30, what="the loss is seen")
    for answer in (await owner.get("queue"), await owner.post("policy/try", json={"text": "x"})):
        assert (answer.status_code, answer.json()["error"]["code"]) == (503, "unavailable")
    assert (await owner.get("people")).status_code == 200
