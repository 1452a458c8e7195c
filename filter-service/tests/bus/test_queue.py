"""Places and lookups: the real service on a real nats-server, with the project's own permissions."""

import json
from uuid import UUID

import httpx
import pytest

from harness.clients.request_sender import REPLIES, chat_id
from harness.processes.ports import free_port
from harness.processes.wait import until
from stile_contracts import subjects
from stile_contracts.messages import Heartbeat, Reply

LIMITS = "limits: {max_waiting_per_client: 3}\n"


class Worker:
    """Does on the bus what a consumer does, by hand."""

    def __init__(self, client):
        self.client = client

    async def beat(self, **speed):
        heartbeat = Heartbeat(
            part="consumer", instance="c", version="1", ready=True, checks_answers=True, **speed
        )
        await self.client.publish("chat.event.consumer", heartbeat.model_dump_json().encode())
        await self.client.flush()

    async def take(self, client, lane="interactive"):
        """Pull the next request of a line and tell its start."""
        line, subject = f"{lane}-{client}", f"chat.approved.{lane}.{client}.*"
        config = {"durable_name": line, "filter_subject": subject, "ack_policy": "explicit"}
        await self.client.request(
            f"$JS.API.CONSUMER.CREATE.CHAT.{line}.{subject}",
            json.dumps({"stream_name": "CHAT", "config": config}).encode(),
            timeout=5,
        )
        pull = await self.client.jetstream().pull_subscribe_bind(line, "CHAT")
        [job] = await pull.fetch(1, timeout=5)
        await self.tell("started", job)
        return job

    async def settle(self, job, response="Blue."):
        """Store the outcome and acknowledge, and tell nothing of it."""
        _, _, _, client, name = job.subject.split(".")
        body = Reply(response=response, id=UUID(name)).model_dump_json(exclude_none=True).encode()
        told = {"Chat-Attempt": "1", "Chat-Seq": "2"}
        await self.client.jetstream().publish(f"chat.result.{client}.{name}", body, headers=told)
        await job.ack_sync()
        return body

    async def tell(self, event, job):
        await self.client.publish(job.subject.replace("approved", f"event.{event}"), b"")
        await self.client.flush()


@pytest.fixture
async def worker(bus):
    """A consumer's side of the bus."""
    return Worker(await bus.connect("consumer"))


async def look_up(client, subject, **headers):
    """Return the one reply's event, its body and its headers."""
    reply = await client.request(subject, b"", timeout=5, headers=headers or None)
    return reply.headers["Chat-Event"], json.loads(reply.data), reply.headers


async def as_gateway(gateway, number, client="http-test"):
    return await look_up(gateway.client, f"chat.outcome.gateway.{chat_id(number)}", **{"Chat-Client": client})


async def test_places_are_told_as_they_change(run_filter, gateway, worker):
    """Accepted with a place; a cancelled one, a start and an end move the others up; numbers are left out."""
    port = free_port()
    await run_filter("", STILE_FILTER_PORT=port)
    await worker.beat(service_seconds=10.0)
    for number in (1, 2, 3, 4):
        await gateway.ask(number, {"prompt": "hi"})
        await gateway.answer(number)
    assert [gateway.places(number) for number in (1, 2, 3, 4)] == [[0], [1], [2], [3]]
    accepted = json.loads((await gateway.answer(4))[0].data)
    assert accepted == {"id": chat_id(4), "position": 3, "estimate_seconds": 30.0}
    await gateway.client.request(
        f"chat.cancel.gateway.{chat_id(2)}", b"", headers={"Chat-Client": "http-test"}, timeout=5
    )
    await until(lambda: gateway.places(4) == [3, 2], what="those behind move up")
    assert gateway.places(3) == [2, 1]
    job = await worker.take("http-test")
    await worker.settle(job)
    await worker.tell("finished", job)
    await until(lambda: gateway.places(4) == [3, 2, 1] and gateway.places(3) == [2, 1, 0])
    last = (await gateway.answer(4))[-1]
    assert last.headers["Chat-Event"] == "position"
    assert "Chat-Seq" not in last.headers
    assert gateway.places(1) == [0]

    async def shown():
        async with httpx.AsyncClient() as http:
            metrics = (await http.get(f"http://127.0.0.1:{port}/metrics")).text
        waiting = 'stile_filter_queue_waiting{lane="interactive"} 2.0'
        return waiting in metrics and "stile_filter_estimate_error_seconds_count 1.0" in metrics

    await until(shown, what="the metrics show the queue and the estimate's error")


async def test_an_end_that_was_not_told_is_seen(run_filter, gateway, worker):
    """A worker that tells no end: CHAT itself says who is gone."""
    await run_filter("")
    for number in (1, 2):
        await gateway.ask(number, {"prompt": "hi"})
        await gateway.answer(number)
    await worker.settle(await worker.take("http-test"))
    await until(lambda: gateway.places(2) == [1, 0], within=20, what="the second has moved up")


async def test_two_filters(run_filter, gateway, worker):
    """Each tells those it has accepted, and counts those of the other; the heartbeat shows all."""
    filters = [await run_filter(""), await run_filter("")]
    beats = await gateway.client.subscribe("chat.event.filter")
    for number in range(1, 9):
        await gateway.ask(number, {"prompt": "hi"}, Chat_Client=f"http-{number}")
        await gateway.answer(number)
    # Which filter has which is chance; both know of all after a look.
    seen = set()

    async def both_see_all():
        beat = Heartbeat.model_validate_json((await beats.next_msg(timeout=10)).data)
        if beat.queue.interactive.waiting == 8:
            seen.add(beat.instance)
        return len(seen) == 2

    await until(both_see_all, within=30, what="both filters see all that wait")
    await until(
        lambda: [gateway.places(number)[-1] for number in range(1, 9)] == list(range(8)),
        within=20,
        what="each was told its place among all",
    )
    job = await worker.take("http-1")
    await worker.settle(job)
    await worker.tell("finished", job)
    await until(lambda: [gateway.places(number)[-1] for number in range(2, 9)] == list(range(7)), within=20)
    # One goes away: what it has accepted is told nothing more, and the other tells its own as before.
    filters[0].kill()

    async def ninth_is_answered():
        # Again and again, as a gateway asks: the first may go to the one that was killed.
        await gateway.ask(9, {"prompt": "hi"}, Chat_Client="http-9")
        return "9" in gateway.heard

    await until(ninth_is_answered, within=20, what="the other filter answers")
    job = await worker.take("http-2")
    await worker.settle(job)
    await worker.tell("finished", job)
    await until(lambda: gateway.places(9)[-1] == 6, within=20)


async def test_a_filter_that_starts_later_knows_who_waits(run_filter, gateway):
    """What was approved before its start counts in the places it tells."""
    first = await run_filter("")
    for number in (1, 2):
        await gateway.ask(number, {"prompt": "hi"})
        await gateway.answer(number)
    first.stop()
    await run_filter("")
    await gateway.ask(3, {"prompt": "hi"})
    await gateway.answer(3)
    assert gateway.places(3) == [2]


async def test_a_client_with_too_many(run_filter, gateway, worker):
    """The policy's bound: 429's code with the time until the first is begun; other clients are let in."""
    await run_filter(LIMITS)
    await worker.beat(service_seconds=10.0)
    await gateway.ask(1, {"prompt": "hi"}, Chat_Client="http-other")
    await gateway.answer(1)
    await worker.take("http-other")
    for number in range(2, 6):
        await gateway.ask(number, {"prompt": "hi"})
        await gateway.answer(number)
    error = json.loads((await gateway.answer(5))[0].data)["error"]
    assert error["code"] == "client_queue_full"
    assert 1.0 <= error["retry_after"] <= 10.0
    await gateway.ask(6, {"prompt": "hi"}, Chat_Client="http-other")
    assert (await gateway.answer(6))[0].headers["Chat-Event"] == "accepted"


async def test_looking_up(run_filter, gateway, worker):
    """Waiting, running, done, refused, cancelled, unknown; each is one reply."""
    await run_filter("keywords: [{id: rude, category: rudeness, phrases: [darn]}]\n")
    for number, prompt in enumerate(("hi", "hi", "hi", "darn"), 1):
        await gateway.ask(number, {"prompt": prompt})
        await gateway.answer(number)
    event, place, headers = await as_gateway(gateway, 2)
    assert (event, place, headers["Chat-Attempt"]) == ("position", {"id": chat_id(2), "position": 1}, "0")
    job = await worker.take("http-test")
    assert (await as_gateway(gateway, 1))[:2] == ("started", {"id": chat_id(1)})
    assert (await as_gateway(gateway, 2))[0] == "position"
    body = await worker.settle(job)
    event, outcome, headers = await as_gateway(gateway, 1)
    assert (event, outcome) == ("done", json.loads(body))
    assert (headers["Chat-Attempt"], headers["Chat-Seq"]) == ("1", "2")
    event, outcome, _ = await as_gateway(gateway, 4)
    assert (event, outcome["refused"]) == ("done", True)
    await gateway.client.request(
        f"chat.cancel.gateway.{chat_id(3)}", b"", headers={"Chat-Client": "http-test"}, timeout=5
    )
    event, outcome, headers = await as_gateway(gateway, 3)
    assert (event, outcome["error"]["code"]) == ("error", "cancelled")
    assert headers["Nats-Service-Error"] == "cancelled"
    event, outcome, headers = await as_gateway(gateway, 99)
    assert (event, outcome["error"]["code"], outcome["error"]["id"]) == ("error", "not_found", chat_id(99))
    assert headers["Nats-Service-Error-Code"] == "404"


async def test_only_ones_own_is_found(bus, run_filter, gateway):
    """Another client's id is not found, over HTTP and directly; one's own is, under the plain subject."""
    await run_filter("keywords: [{id: rude, category: rudeness, phrases: [darn]}]\n")
    alice, mallory = await bus.connect("alice"), await bus.connect("mallory")
    refused = json.loads((await alice.request("chat.request", b'{"prompt": "darn"}', timeout=5)).data)
    own = f"chat.outcome.{refused['id']}"
    assert (await look_up(alice, own))[:2] == ("done", refused)
    assert (await look_up(mallory, own))[1]["error"]["code"] == "not_found"
    assert (await look_up(mallory, own, **{"Chat-Client": "alice"}))[1]["error"]["code"] == "not_found"
    await gateway.ask(1, {"prompt": "hi"})
    await gateway.answer(1)
    assert (await as_gateway(gateway, 1, "http-other"))[1]["error"]["code"] == "not_found"
    assert (await as_gateway(gateway, 1, "alice"))[1]["error"]["code"] == "invalid_header"
    assert (await look_up(alice, f"chat.outcome.{chat_id(1)}"))[1]["error"]["code"] == "not_found"
    assert (await look_up(alice, "chat.outcome.nonsense"))[1]["error"]["code"] == "invalid_header"


async def test_a_lookup_that_wants_its_answer_elsewhere(bus, run_filter, gateway):
    """An answer that would be an approval is not sent; the lookup behind it is answered."""
    await run_filter("")
    await gateway.ask(1, {"prompt": "hi"})
    await gateway.answer(1)
    aim = f"chat.approved.interactive.http-test.{chat_id(9)}"
    asked = {"Chat-Client": "http-test"}
    await gateway.client.publish(f"chat.outcome.gateway.{chat_id(1)}", b"", reply=aim, headers=asked)
    assert (await as_gateway(gateway, 1))[0] == "position"
    info = await (await bus.connect("provisioner")).jetstream().stream_info("CHAT", subjects_filter=">")
    assert list(info.state.subjects) == [subjects.approved("interactive", "http-test", chat_id(1))]


async def test_places_stop_with_the_start(run_filter, gateway, worker):
    """Whoever is begun hears of places no more: what comes then comes from its worker."""
    await run_filter("")
    for number in (1, 2):
        await gateway.ask(number, {"prompt": "hi"})
        await gateway.answer(number)
    first = await worker.take("http-test")
    second = await worker.take("http-test")
    await worker.settle(first)
    await worker.tell("finished", first)
    await gateway.ask(3, {"prompt": "hi"})
    await gateway.answer(3)
    await worker.settle(second)
    await worker.tell("finished", second)
    await until(lambda: gateway.places(3) == [1, 0])
    assert gateway.places(2) == [1]
    assert all(message.subject.startswith(REPLIES) for heard in gateway.heard.values() for message in heard)
