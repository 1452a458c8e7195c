"""The real service, as a process, on a real nats-server with the project's own permissions."""

import json
import signal
from uuid import UUID

import httpx
import psutil
import pytest

from harness.clients.request_sender import REPLIES, chat_id
from harness.processes.ports import free_port
from harness.processes.wait import until
from stile_contracts.messages import Heartbeat, Reply

WORDS = """
keywords:
- {id: rude, category: rudeness, phrases: [darn]}
refusals: {default: No.}
"""
OWN = WORDS + "input_scanners:\n"


async def chat_messages(bus):
    """Return how many requests CHAT holds."""
    provisioner = await bus.connect("provisioner")
    return (await provisioner.jetstream().stream_info("CHAT")).state.messages


async def test_an_approved_request_lies_in_chat(bus, run_filter, gateway):
    """The stored message has every header of the protocol, and the requester hears «accepted»."""
    await run_filter(WORDS)
    await gateway.ask(1, {"prompt": "Why?"}, Chat_Lane="batch")
    [said] = await gateway.answer(1)
    assert said.headers["Chat-Event"] == "accepted"
    stored = (
        await (await bus.connect("provisioner"))
        .jetstream()
        .get_last_msg("CHAT", f"chat.approved.batch.http-test.{chat_id(1)}")
    )
    assert json.loads(stored.data)["messages"] == [{"role": "user", "content": "Why?"}]
    assert set(stored.headers) == {
        "Chat-Id",
        "Chat-Client",
        "Chat-Lane",
        "Chat-Deadline",
        "Chat-Events",
        "Chat-Reply-To",
        "Chat-Body-SHA256",
        "Chat-Policy",
    }
    assert stored.headers["Chat-Reply-To"] == f"{REPLIES}.1"


async def test_a_refusal_is_stored_before_it_is_replied(bus, run_filter, gateway):
    """A banned word in a message that is not the prompt: the caller's refusal, its place, and no approval."""
    await run_filter(WORDS)
    body = {
        "prompt": "ok",
        "messages": [{"role": "user", "content": "Darn you"}],
        "refusal_message": "Not with me.",
    }
    await gateway.ask(1, body)
    [said] = await gateway.answer(1)
    reply = Reply.model_validate_json(said.data)
    assert (reply.response, reply.id, reply.refusal.place) == (
        "Not with me.",
        UUID(chat_id(1)),
        "messages[0]",
    )
    stored = (
        await (await bus.connect("provisioner"))
        .jetstream()
        .get_last_msg("CHAT_RESULT", f"chat.result.http-test.{chat_id(1)}")
    )
    assert stored.data == said.data
    assert await chat_messages(bus) == 0


async def test_a_direct_client_gets_exactly_one_reply(bus, run_filter):
    """A client in its own account: a refusal is one message, and with a stream it ends with the empty one."""
    await run_filter(WORDS)
    alice = await bus.connect("alice")
    said = await alice.request("chat.request", b'{"prompt": "darn"}', timeout=5)
    assert json.loads(said.data)["response"] == "No."
    inbox = alice.new_inbox()
    heard = await alice.subscribe(inbox)
    await alice.publish("chat.request", b'{"prompt": "darn", "stream": true}', reply=inbox)
    done, end = [await heard.next_msg(timeout=5) for _ in range(2)]
    assert done.headers["Chat-Event"] == "done"
    assert (end.data, end.headers) == (b"", None)


async def test_a_direct_clients_key(bus, run_filter):
    """Under a key the outcome is found again; a running request and another body are told apart."""
    await run_filter(WORDS)
    alice = await bus.connect("alice")

    async def ask(prompt, key):
        body = json.dumps({"prompt": prompt}).encode()
        said = await alice.request("chat.request", body, timeout=5, headers={"Chat-Key": key})
        return said.headers.get("Nats-Service-Error"), said.data

    first = await ask("darn", "a")
    assert first == await ask("darn", "a")
    assert (await ask("hi", "a"))[0] == "key_conflict"
    await alice.publish(
        "chat.request", b'{"prompt": "hi"}', reply=alice.new_inbox(), headers={"Chat-Key": "b"}
    )
    await until(lambda: chat_messages(bus), what="the first is stored")
    assert (await ask("hi", "b"))[0] == "in_progress"
    assert (await ask("ho", "b"))[0] == "key_conflict"


async def test_a_reply_subject_elsewhere_is_never_answered(bus, run_filter, gateway):
    """A reply that would be a request or an approval is not sent, and the request behind it is handled."""
    await run_filter(WORDS)
    provisioner = await bus.connect("provisioner")
    headers = {"Chat-Id": chat_id(1), "Chat-Client": "http-test", "Chat-Deadline": "9999999999999"}
    await gateway.client.publish(
        "chat.request.gateway",
        b'{"prompt": "darn"}',
        reply=f"chat.approved.interactive.http-test.{chat_id(9)}",
        headers=headers,
    )
    await gateway.ask(2, {"prompt": "darn"})
    await gateway.answer(2)
    assert (await provisioner.jetstream().stream_info("CHAT")).state.messages == 0
    assert (await provisioner.jetstream().stream_info("CHAT_RESULT")).state.messages == 1


async def test_a_repeat_is_accepted_and_stored_once(bus, run_filter, gateway):
    """The same id twice: heard twice, stored once; another body under it is a conflict."""
    await run_filter(WORDS)
    for _ in range(2):
        await gateway.ask(1, {"prompt": "hi"})
    said = await gateway.answer(1, count=2)
    assert [message.headers["Chat-Event"] for message in said] == ["accepted", "accepted"]
    await gateway.ask(1, {"prompt": "ho"})
    assert (await gateway.answer(1, count=3))[2].headers["Nats-Service-Error"] == "key_conflict"
    assert await chat_messages(bus) == 1


async def test_a_full_queue_is_told(bus, run_filter, gateway):
    """At CHAT's limit the requester hears ``queue_full`` and when to come back."""
    streams = (await bus.connect("provisioner")).jetstream()
    chat = (await streams.stream_info("CHAT")).config
    await streams.update_stream(chat.evolve(max_msgs=2))
    await run_filter(WORDS)
    consumer = await bus.connect("consumer")
    beat = Heartbeat(
        part="consumer", instance="c", version="1", ready=True, service_seconds=12.5, checks_answers=True
    )
    await consumer.publish("chat.event.consumer", beat.model_dump_json().encode())
    await consumer.flush()
    for number in range(3):
        await gateway.ask(number, {"prompt": "hi"})
        await gateway.answer(number)
    error = json.loads((await gateway.answer(2))[0].data)["error"]
    assert (error["code"], error["retry_after"]) == ("queue_full", 12.5)


async def test_a_scan_that_hangs_approves_nothing_and_holds_nobody_up(bus, run_filter, gateway):
    """A real child that never returns: its request is an error, and one behind it is approved."""
    await run_filter(
        OWN
        + "- {type: 'own_scanners:Hangs', params: {word: loop}}\nscan_processes: 2\nscan_timeout_seconds: 8\n"
    )
    await gateway.ask(1, {"prompt": "loop"})
    await gateway.ask(2, {"prompt": "fine"})
    assert (await gateway.answer(2))[0].headers["Chat-Event"] == "accepted"
    [said] = await gateway.answer(1, within=30)
    assert said.headers["Nats-Service-Error"] == "too_large"
    assert await chat_messages(bus) == 1


async def test_a_long_history_does_not_hold_up_a_short_request(bus, run_filter, gateway, tmp_path):
    """It is decided between two slices of the history, which is approved as well."""
    seen = tmp_path / "seen"
    await run_filter(
        OWN
        + f"- {{id: count, type: 'own_scanners:Word', params: {{word: never, seen: '{seen}'}}}}\n"
        + "- {id: slow, type: 'own_scanners:Slow', params: {word: slow}}\n"
        + "scan_processes: 1\n"
    )
    history = [{"role": "user", "content": f"{number} slow " + "nothing " * 3_900} for number in range(29)]
    await gateway.ask(1, {"messages": history}, Chat_Client="http-ada")
    await until(seen.exists, within=30)
    await gateway.ask(2, {"prompt": "hello"}, Chat_Client="http-bob")
    assert (await gateway.answer(2))[0].headers["Chat-Event"] == "accepted"
    assert "1" not in gateway.heard
    assert (await gateway.answer(1, within=60))[0].headers["Chat-Event"] == "accepted"
    assert await chat_messages(bus) == 2


async def test_a_scanner_that_raises_or_dies_approves_nothing(bus, run_filter, gateway):
    """Each is ``filter_error``, and the service scans on."""
    await run_filter(
        OWN
        + "- {type: 'own_scanners:Raises', params: {word: boom}}\n"
        + "- {type: 'own_scanners:Dies', params: {word: crash}}\n"
    )
    for number, prompt in enumerate(["boom", "crash"]):
        await gateway.ask(number, {"prompt": prompt})
        [said] = await gateway.answer(number, within=20)
        assert said.headers["Nats-Service-Error"] == "filter_error"
    await gateway.ask(3, {"prompt": "fine"})
    assert (await gateway.answer(3, within=30))[0].headers["Chat-Event"] == "accepted"
    assert await chat_messages(bus) == 1


async def test_killed_scanner_processes_are_replaced(run_filter, gateway):
    """Somebody kills every child: the next request waits for a new one and is decided."""
    service = await run_filter(OWN + "- {type: 'own_scanners:Word', params: {word: apple}}\n")
    children = await until(lambda: psutil.Process(service.pid).children())
    for child in children:
        child.kill()
    await gateway.ask(1, {"prompt": "an apple"})
    [said] = await gateway.answer(1, within=30)
    assert said.headers["Chat-Event"] in {"done", "error"}
    await gateway.ask(2, {"prompt": "an apple"})
    [said] = await gateway.answer(2, within=30)
    assert Reply.model_validate_json(said.data).refusal.category == "word"


async def test_sigterm_answers_what_it_holds(bus, run_filter, gateway):
    """Twenty requests, most of them still buffered: all are answered, then the service leaves with 0."""
    service = await run_filter(
        OWN + "- {type: 'own_scanners:Slow', params: {word: slow}}\nscan_timeout_seconds: 30\n"
    )
    for number in range(20):
        await gateway.ask(number, {"prompt": "slow"})
    await gateway.client.flush()
    service.signal(signal.SIGTERM)
    await until(lambda: service.exit_code is not None, within=60)
    assert service.exit_code == 0, service.output()
    assert sorted(gateway.heard, key=int) == [str(number) for number in range(20)]
    assert await chat_messages(bus) == 20


async def test_sigterm_while_scanners_load(run_filter):
    """A service that is told to stop before it is ready leaves with 0 and leaves no child."""
    service = await run_filter(WORDS + "input_scanners:\n- type: Secrets\n", wait=False)
    children = await until(lambda: psutil.Process(service.pid).children(), within=30)
    service.signal(signal.SIGTERM)
    await until(lambda: service.exit_code is not None, within=30)
    assert service.exit_code == 0, service.output()
    # One that was being started has ended too, but its new parent may not have asked how.
    assert not any(child.is_running() and child.status() != psutil.STATUS_ZOMBIE for child in children)


async def test_a_killed_service_leaves_no_child(bus, run_filter):
    """Kill -9 of the service ends its scanners, in the middle of a scan too."""
    service = await run_filter(OWN + "- {type: 'own_scanners:Hangs', params: {word: loop}}\n")
    children = await until(lambda: len(found := psutil.Process(service.pid).children()) == 2 and found)
    alice = await bus.connect("alice")
    await alice.publish("chat.request", b'{"prompt": "loop"}', reply=alice.new_inbox())
    service.kill()
    await until(lambda: not any(child.is_running() for child in children))


async def test_a_wrong_scanner_stops_the_start(run_filter):
    """LLM-Guard's own complaint is told with the policy's file and line, and the service leaves with 1."""
    service = await run_filter(WORDS + "input_scanners:\n- type: NoSuchScanner\n", wait=False)
    await until(lambda: service.exit_code is not None, within=240)
    assert service.exit_code == 1
    assert "policy.yml:6: NoSuchScanner: " in service.output()
    assert "Traceback" not in service.output()


@pytest.mark.parametrize(
    ("env", "said"),
    [
        ({"STILE_FILTER_PORT": "http"}, "STILE_FILTER_PORT: "),
        ({"STILE_LOG_LEVEL": "loud"}, "STILE_LOG_LEVEL: "),
        ({"STILE_NATS_NKEY_FILE": "/nowhere.nk"}, "STILE_NATS_NKEY_FILE: "),
        ({"STILE_NATS_NKEY_FILE": __file__}, "STILE_NATS_NKEY_FILE: "),
    ],
)
async def test_a_wrong_setting_is_named(run_filter, env, said):
    """One line on stderr with the variable's name, exit 1."""
    service = await run_filter(WORDS, wait=False, **env)
    await until(lambda: service.exit_code is not None, within=30)
    assert service.exit_code == 1
    assert service.output().startswith(said)
    assert service.output().count("\n") == 1


async def test_health_and_heartbeat(bus, run_filter, gateway):
    """Probes and heartbeat say that the service is ready; a paused bus makes it unready; metrics count."""
    port = free_port()
    service = await run_filter(WORDS, STILE_FILTER_PORT=port)
    heard = await gateway.client.subscribe("chat.event.filter")
    beat = Heartbeat.model_validate_json((await heard.next_msg(timeout=10)).data)
    assert (beat.part, beat.ready, beat.reason) == ("filter", True, None)
    await gateway.ask(1, {"prompt": "darn"})
    await gateway.answer(1)
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as http:
        assert (await http.get("/healthz")).status_code == 200
        ready = await http.get("/readyz")
        assert (ready.status_code, ready.text.splitlines()[0]) == (200, "ok")
        assert ready.text.splitlines()[1].startswith("on: control_tokens, ")
        assert (await http.get("/nothing")).status_code == 404
        assert 'stile_filter_requests_total{outcome="refused"} 1.0' in (await http.get("/metrics")).text
        bus.kill()

        async def unready():
            return (await http.get("/readyz")).status_code == 503

        await until(unready)
        await bus.start()

        async def ready():
            return (await http.get("/readyz")).status_code == 200

        await until(ready, within=30)
    assert service.exit_code is None


async def test_the_bus_may_come_later(bus, run_filter):
    """Without a bus the service waits, leaves on SIGTERM, and works once the bus is there."""
    bus.kill()
    service = await run_filter(WORDS, wait=False)
    await until(lambda: "bus_error" in service.output(), within=30)
    await bus.start()
    await until(lambda: "filter_ready" in service.output(), within=30)
    bus.kill()
    waiting = await run_filter(WORDS, wait=False)
    await until(lambda: "bus_error" in waiting.output(), within=30)
    waiting.signal(signal.SIGTERM)
    await until(lambda: waiting.exit_code is not None, within=30)
    assert waiting.exit_code == 0


async def test_a_key_the_bus_does_not_know(bus, run_filter):
    """At the start it is a wrong setting; for a service that runs it is an outage that may end."""
    service = await run_filter(WORDS)
    seed = bus.seeds / "filter.nk"
    known = seed.read_bytes()
    bus.kill()
    seed.unlink()
    await bus.start()
    await until(lambda: "uthorization" in service.output(), within=30)
    seed.write_bytes(known)
    early = await run_filter(WORDS, wait=False)
    await until(lambda: early.exit_code is not None, within=30)
    assert early.exit_code == 1
    assert early.output().splitlines()[-1].startswith("STILE_NATS_NKEY_FILE: ")
    assert "Traceback" not in early.output()
    bus.kill()
    await bus.start()
    await until(lambda: "bus_reconnected" in service.output(), within=30)
    assert service.exit_code is None


async def test_memory_without_scanners(run_filter):
    """Without scanners no LLM-Guard is imported, and the service stays under 80 MB."""
    service = await run_filter(WORDS)
    assert psutil.Process(service.pid).memory_info().rss < 80 * 1024 * 1024
    assert psutil.Process(service.pid).children() == []


async def test_no_text_in_logs(run_filter, gateway):
    """Refused, failed and approved: no word of a request stands in the log."""
    service = await run_filter(
        OWN + "- {type: 'own_scanners:Raises', params: {word: boom}}\n",
        STILE_LOG_LEVEL="debug",
        STILE_LOG_FORMAT="json",
    )
    for number, prompt in enumerate(["darn zanzibar", "boom zanzibar", "zanzibar"]):
        await gateway.ask(number, {"prompt": prompt})
        await gateway.answer(number, within=20)
    assert "zanzibar" not in service.output()
    assert all(json.loads(line)["event"] for line in service.output().splitlines())
