"""What the consumer reads of CHAT_RESULT in a cluster, whichever server it is connected to."""

import asyncio

import pytest
import pytest_asyncio

from harness.models.standin import Standin
from harness.parts.consumer import Consumer, Requester, hear_all
from harness.processes.wait import until
from stile_contracts import headers, subjects
from stile_contracts.ids import new_id
from stile_contracts.messages import Reply

pytestmark = pytest.mark.asyncio(loop_scope="module")

ROUNDS = 30


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def model(tmp_path_factory):
    """A stand-in that writes a second long, and records all that it was asked."""
    standin = await Standin(tmp_path_factory.mktemp("model"), tokens=20, token_seconds=0.05).start()
    yield standin
    standin.stop()


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=["n1", "n2", "n3"])
async def consumer(request, cluster, model, tmp_path_factory):
    """A consumer that knows one of the three servers."""
    url = cluster.nodes[request.param].url
    folder = tmp_path_factory.mktemp(f"consumer-{request.param}")
    consumer = await Consumer(folder, cluster, model.url, STILE_NATS_URL=url).start()
    yield consumer
    await asyncio.to_thread(consumer.process.stop)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def requester(cluster):
    """Who approves requests and hears the answers."""
    return await Requester(cluster).start()


class Writers:
    """Settle requests in a worker's place, through each server in turn."""

    def __init__(self, clients):
        self._clients = clients
        self._turn = 0

    async def settle(self, chat_id):
        """Store an outcome; return its body once a majority of the servers has it."""
        self._turn += 1
        client = self._clients[self._turn % len(self._clients)]
        body = Reply(response=f"settled {self._turn}", id=chat_id).model_dump_json(exclude_none=True).encode()
        stored = {headers.CHAT_ID: str(chat_id), "Nats-Expected-Last-Subject-Sequence": "0"}
        await client.jetstream().publish(subjects.result("http-test", chat_id), body, headers=stored)
        return body


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def writers(cluster):
    """One for each server."""
    return Writers([await cluster.connect("filter", node=node) for node in cluster.nodes])


@pytest.mark.usefixtures("consumer")
async def test_what_has_an_outcome_is_not_generated(requester, writers, model):
    """The consumer begins right after a majority has the outcome: it sees it, and says it.

    Which server it is connected to must not matter; a replica may lag behind (docs/adr/0010).
    """
    before = len((await model.log())["generations"])
    for number in range(ROUNDS):
        chat_id = new_id()
        body = await writers.settle(chat_id)
        _, hearing = await requester.approve(f"settled already {number}", chat_id=chat_id)
        assert [(event, said) for event, _, _, said in await hear_all(hearing)] == [("done", body)]
    assert len((await model.log())["generations"]) == before


@pytest.mark.usefixtures("consumer")
async def test_whoever_loses_says_what_is_stored(requester, writers, model):
    """Another writer settles the request while it is generated: its outcome counts, and is replied."""
    chat_id, hearing = await requester.approve("settled meanwhile")

    async def is_writing():
        last = (await model.log())["generations"][-1:]
        return any(entry["outcome"] == "running" and entry["tokens"] for entry in last)

    await until(is_writing, what="the model writes")
    body = await writers.settle(chat_id)
    assert [(event, said) for event, _, _, said in await hear_all(hearing)] == [("done", body)]
