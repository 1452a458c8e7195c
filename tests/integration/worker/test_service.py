"""The NATS service protocol (ADR-32): each worker tells the operator its model, its speed and its load."""

import json

import pytest

from harness.nats.bus import Bus
from harness.parts.consumer import Requester, hear_all
from harness.parts.fleet import Fleet
from harness.parts.policies import unscanned
from harness.processes.ports import free_port
from harness.processes.process import BIN, Process
from harness.processes.wait import until
from stile_contracts import subjects
from stile_contracts.ids import new_id

INBOX = "_INBOX_operator.test"


@pytest.fixture
async def bus(tmp_path):
    """nats-server with the project's own permissions."""
    bus = await Bus(tmp_path).start()
    yield bus
    await bus.stop()


@pytest.fixture
async def fleet(tmp_path, bus):
    """Two workers with a model each, and nothing else."""
    fleet = await Fleet(tmp_path, bus, settings=unscanned(tmp_path), tokens=20, token_seconds=0.05).start(
        filters=0, consumers=2, gateways=0
    )
    yield fleet
    await fleet.stop()


class Operator:
    """Asks as ``nats micro`` does."""

    def __init__(self, client, hearing):
        self.client = client
        self._hearing = hearing

    async def ask(self, subject, *, answers=2):
        """Return so many answers, by their instances' ids."""
        await self.client.publish(subject, b"", reply=INBOX)
        told = [json.loads((await self._hearing.next_msg(timeout=10)).data) for _ in range(answers)]
        return {answer["id"]: answer for answer in told}

    async def describe(self):
        """Return the one worker's description; nothing where nobody answers."""
        await self.client.publish("$SRV.INFO", b"", reply=INBOX)
        # Where nobody listens, the server says so itself, without a body.
        message = await self._hearing.next_msg(timeout=10)
        return message.data and json.loads(message.data)["description"]


@pytest.fixture
async def operator(bus):
    """The provisioner's user, at the inbox that is answered."""
    client = await bus.connect("provisioner")
    return Operator(client, await client.subscribe(INBOX))


@pytest.mark.usefixtures("fleet")
async def test_each_worker_says_what_it_is(operator):
    """Both answer to all and to their name, one alone to its id, with all that ``nats micro ls`` prints."""
    infos = await operator.ask("$SRV.INFO")
    assert len(infos) == 2
    for worker, info in infos.items():
        assert (info["type"], info["name"]) == ("io.nats.micro.v1.info_response", "stile-worker")
        assert info["description"] == f"{info['metadata']['model']}, speed not measured yet, idle"
        assert (await operator.ask(f"$SRV.PING.stile-worker.{worker}", answers=1)).keys() == {worker}
    assert (await operator.ask("$SRV.INFO.stile-worker")).keys() == infos.keys()
    assert (await operator.ask("$SRV.PING")).keys() == infos.keys()


@pytest.mark.usefixtures("fleet")
async def test_speed_and_load_are_told(bus, operator):
    """One is busy while it writes; then it has counted its answer and knows its speed. The other was idle."""
    requester = await Requester(bus).start()
    _, hearing = await requester.approve("Why is the sky blue?")
    loads = await until(lambda: loads_of(operator, in_hand=[0, 1]), what="one of the two is busy")
    assert [each["answered"] for each in loads] == [0, 0]
    assert [event for event, *_ in await hear_all(hearing)] == ["done"]
    loads = await until(lambda: loads_of(operator, in_hand=[0, 0]), what="both are idle")
    idle, worker = sorted(loads, key=lambda load: load["answered"])
    assert (idle["answered"], "predicted_per_second" in idle) == (0, False)
    assert (worker["answered"], worker["failed"], worker["ready"]) == (1, 0, True)
    assert worker["predicted_per_second"] > 0
    descriptions = [info["description"] for info in (await operator.ask("$SRV.INFO")).values()]
    assert sum("tokens/s, idle" in description for description in descriptions) == 1


@pytest.mark.usefixtures("fleet")
async def test_nobody_is_answered_but_the_operator(bus, operator):
    """A question whose answer would become an outcome, or one of JetStream's, is not answered."""
    inbox = "_INBOX_provisioner.test"
    elsewhere = await operator.client.subscribe(inbox)
    for reply in (inbox, f"chat.result.alice.{new_id()}"):
        await operator.client.publish("$SRV.INFO", b"", reply=reply)
    # Each worker answers in order: after these it has passed over those.
    await operator.ask("$SRV.INFO")
    assert elsewhere.pending_msgs == 0
    context = (await bus.connect("provisioner")).jetstream()
    assert (await context.stream_info(subjects.RESULT_STREAM)).state.messages == 0


async def test_a_worker_without_its_model_says_so(tmp_path, bus, operator):
    """Before llama.cpp is there, the worker is listed as one that cannot answer."""
    settings = {
        **bus.environment("consumer"),
        "STILE_LLAMA_URL": f"http://127.0.0.1:{free_port()}",
        "STILE_CONSUMER_PORT": str(free_port()),
    }
    worker = Process(BIN / "stile-consumer", log=tmp_path / "worker.log", env=settings)
    description = await until(operator.describe, what="the worker answers")
    worker.stop()
    assert description.startswith("model not known yet, speed not measured yet, not ready: ")


async def loads_of(operator, *, in_hand):
    """Return the workers' loads, the least first, once they have so many requests in hand."""
    stats = (await operator.ask("$SRV.STATS.stile-worker")).values()
    loads = sorted((each["endpoints"][0]["data"] for each in stats), key=lambda load: load["in_hand"])
    return loads if [load["in_hand"] for load in loads] == in_hand else None
