"""Signed approvals on real parts: keys change under load, and nothing else reaches the model."""

import asyncio
import os
import time

import httpx
from nacl.signing import SigningKey, VerifyKey

from harness.nats import results as outcomes
from harness.processes.process import BIN, Process
from harness.processes.wait import until
from stile.keys import signing as signing_keys
from stile_contracts import headers, signing, subjects
from stile_contracts.ids import new_id
from stile_contracts.messages import ApprovedChat, ChatMessage, Role

LANE = subjects.Lane.INTERACTIVE


def settle(folder):
    """Let as much time pass as the requests under the former key may wait."""
    past = time.time() - signing_keys.FORMER_KEY_SECONDS - 1
    os.utime(signing_keys.public_file(folder), (past, past))


def believed(folder):
    """Read the public keys as a consumer does."""
    text = signing_keys.public_file(folder).read_text().splitlines()
    words = (line.split() for line in text if not line.startswith("#"))
    return {key_id: VerifyKey(signing.decode(public)) for key_id, public in words}


def is_signed(message, keys):
    """Tell whether one of ``keys`` has signed the approval."""
    key = keys.get(message.headers[headers.CHAT_SIGNING_KEY])
    payload = signing.payload(message.subject, message.headers, message.data)
    signature = signing.decode(message.headers[headers.CHAT_SIGNATURE])
    return key is not None and key.verify(payload, signature) == payload


async def test_every_approval_is_signed_by_a_key_that_is_believed(bus, tmp_path):
    """Keys change while requests stream in: each approval holds under a key of the file at its time."""
    signing_keys.ensure(bus.seeds)
    environment = {
        **bus.environment("filter"),
        "STILE_SIGNING_KEY": str(signing_keys.seed_file(bus.seeds)),
    }
    gateway = await bus.connect("gateway")
    provisioner = (await bus.connect("provisioner")).jetstream()
    keys = {}
    with Process(BIN / "stile-filter", log=tmp_path / "filter.log", env=environment) as process:
        await until(lambda: "filter_ready" in process.output(), within=60, what="the filter is ready")

        async def ask(turn):
            message_headers = {
                headers.CHAT_ID: str(new_id()),
                headers.CHAT_CLIENT: f"http-{turn}",  # each within its `max_waiting_per_client`
                headers.CHAT_DEADLINE: "9999999999999",
                headers.CHAT_EVENTS: "state",
            }
            return await gateway.request(
                "chat.request.gateway", b'{"prompt":"Hi"}', headers=message_headers, timeout=20
            )

        for turn in range(4):
            asking = [asyncio.create_task(ask(turn)) for _ in range(25)]
            await asking[0]
            keys |= believed(bus.seeds)
            settle(bus.seeds)
            signing_keys.rotate(bus.seeds)
            heard = await asyncio.gather(*asking)
            assert [each.data for each in heard if each.headers[headers.CHAT_EVENT] != "accepted"] == []
        keys |= believed(bus.seeds)
    stored = [await provisioner.get_msg("CHAT", seq) for seq in range(1, 101)]
    assert all(is_signed(message, keys) for message in stored)
    assert len({message.headers[headers.CHAT_SIGNING_KEY] for message in stored}) >= 4


async def test_no_request_is_dropped_while_keys_change(start_system):
    """`stile keys rotate-signing` under load: every client gets its own answer, and nothing is restarted."""
    system = await start_system(token_seconds=0.005)
    pids = {name: part.pid for name, part in system.parts.items()}
    async with httpx.AsyncClient(timeout=60) as client:

        async def ask(number):
            answer = await client.post(f"{system.url}/chat", json={"prompt": f"question {number}"})
            return answer.status_code, answer.json()

        asking = []
        for turn in range(3):
            asking += [asyncio.create_task(ask(turn * 15 + number)) for number in range(15)]
            await asking[turn * 15]
            settle(system.bus.seeds)
            signing_keys.rotate(system.bus.seeds)
        answers = await asyncio.gather(*asking)
    assert [status for status, _ in answers] == [200] * 45
    for number, (_, reply) in enumerate(answers):
        assert reply["response"].split(" word")[0] == f"echo: question {number}"
    assert {name: part.pid for name, part in system.parts.items()} == pids
    assert all(part.exit_code is None for part in system.parts.values())


def forgeries(honest, seeds):
    """Make approvals as an attacker would who has the filter's place on the bus, but not its key.

    Args:
        honest: an approval that the filter has signed, with its subject.
        seeds: the folder with the believed keys.

    Returns:
        By the attack's name: subject, body, headers.
    """
    true = {name: value for name, value in honest.headers.items() if not name.startswith("Nats-")}
    bare = {name: value for name, value in true.items() if not name.startswith("Chat-Sign")}
    believed_id = next(iter(believed(seeds)))
    evil = SigningKey.generate()

    def approval(name, message_headers, body=None):
        smuggled = ApprovedChat(messages=[ChatMessage(role=Role.USER, content=f"SMUGGLED {name}")])
        chat_id = new_id()
        raw = smuggled.model_dump_json(exclude_none=True).encode() if body is None else body
        return (
            subjects.approved(LANE, "alice", chat_id),
            raw,
            {**message_headers, headers.CHAT_ID: str(chat_id)},
        )

    def signed(name, key_id):
        subject, body, own = approval(name, bare)
        signature = signing.encode(evil.sign(signing.payload(subject, own, body)).signature)
        return subject, body, {**own, headers.CHAT_SIGNATURE: signature, headers.CHAT_SIGNING_KEY: key_id}

    return {
        "not signed": approval("not signed", bare),
        "an unknown key": signed("an unknown key", signing.key_id(bytes(evil.verify_key))),
        "a believed key's name": signed("a believed key's name", believed_id),
        "no signature": approval("no signature", {**true, headers.CHAT_SIGNATURE: "+/="}),
        "another body": approval("another body", true),
        "another id": approval("another id", true, honest.data),
    }


async def test_what_the_filter_has_not_signed_is_not_generated(start_system):
    """The filter's nkey alone approves nothing, and a signature holds for one approval as it was made.

    Whoever forges gets no answer sent and no outcome stored: the place to answer may be the attack.
    """
    system = await start_system()
    approved = await approvals_without_a_worker(system, 4)
    attacker = await system.bus.connect("filter")
    attacks = forgeries(approved[0], system.bus.seeds)
    for message, (header, value) in zip(
        approved[1:],
        [
            (headers.CHAT_REPLY_TO, f"{subjects.GATEWAY_INBOX}.forged.1"),
            (headers.CHAT_DEADLINE, "9999999999999"),
            (headers.CHAT_POLICY, "0" * 12),
        ],
        strict=True,
    ):
        changed = {name: text for name, text in message.headers.items() if not name.startswith("Nats-")}
        attacks[header] = message.subject, message.data, {**changed, header: value}
    victim = await system.bus.connect("gateway")
    heard = await victim.subscribe(f"{subjects.GATEWAY_INBOX}.forged.*")
    await victim.flush()
    for subject, body, message_headers in attacks.values():
        await attacker.jetstream().publish(subject, body, headers=message_headers)

    system.start_part("consumer")
    provisioner = await system.bus.connect("provisioner")
    js = provisioner.jetstream()

    async def is_empty():
        return not (await js.stream_info("CHAT")).state.messages

    await until(is_empty, within=60, what="the consumer has settled every forgery")
    async with httpx.AsyncClient(timeout=60) as client:
        answer = await client.post(f"{system.url}/chat", json={"prompt": "honest"})
    assert answer.status_code == 200, answer.text
    assert await system.model.prompts() == ["honest"]
    for name, (subject, _, _) in attacks.items():
        place = subjects.parse_approved(subject)
        stored = await outcomes.stored(provisioner, subjects.result(place.client, place.id))
        assert stored == [], name
        assert str(place.id) in system.parts["consumer"].output(), name
    await victim.flush()
    assert heard.pending_msgs == 0
    assert "SMUGGLED" not in system.parts["consumer"].output()


async def approvals_without_a_worker(system, count):
    """Have the filter approve ``count`` requests while no consumer runs; take them out of CHAT again."""
    await asyncio.to_thread(system.parts["consumer"].stop)
    client = await system.bus.connect("alice")
    for number in range(count):
        await client.publish("chat.request", b'{"prompt":"Why %d?"}' % number, reply=client.new_inbox())
    js = (await system.bus.connect("provisioner")).jetstream()

    async def waiting():
        return (await js.stream_info("CHAT")).state.messages == count

    await until(waiting, what="the honest requests are approved")
    approved = [await js.get_msg("CHAT", seq) for seq in range(1, count + 1)]
    for message in approved:
        await js.delete_msg("CHAT", message.seq)
    return approved


async def test_a_filter_that_the_workers_do_not_believe_says_so(start_system):
    """With the real parts: with a key that reached it alone it approves nothing, until the workers have it.

    The gateway, and so the page, say why; the first requests after the change may still be dropped, for as
    long as the filter waits for the workers to have read their file.
    """
    system = await start_system(token_seconds=0.005)
    theirs = signing_keys.public_file(system.bus.seeds)
    before = theirs.read_text()
    key_id = signing_keys.rotate(system.bus.seeds)
    after = theirs.read_text()
    theirs.write_text(before)

    async with httpx.AsyncClient(timeout=60) as client:

        async def reason():
            said = (await client.get(f"{system.url}/readyz")).json()["parts"]["filter"]
            return not said["ready"] and said["reason"]

        async def asked(prompt):
            answer = await client.post(f"{system.url}/chat", json={"prompt": prompt})
            return answer.status_code, answer.json()

        said = await until(reason, within=60, what="the filter is not ready")
        assert key_id in said
        status, body = await asked("in vain")
        assert (status, body["error"]["code"]) == (503, "filter_error")
        theirs.write_text(after)
        await system.ready()
        status, body = await asked("believed")
        assert (status, body["response"].split(" word")[0]) == (200, "echo: believed")
    assert await system.model.prompts() == ["believed"]
