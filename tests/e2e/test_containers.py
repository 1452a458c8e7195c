"""The whole system in containers, from the project's own Dockerfiles, with a real model."""

import asyncio
import json
import shutil
import time

import httpx
import nats
import pytest

from e2e import engine
from e2e.containers import SERVICES, Containers
from harness.processes.wait import until

# The images may have to be built first, and a real model on two cores takes its time.
pytestmark = pytest.mark.timeout(1800)

BANNED = "what the fuck"
ANSWERED_WITHIN = 240.0


@pytest.fixture(scope="module")
def system(images, tmp_path_factory):  # noqa: ARG001 -- images first
    """One system for all tests of this module; each leaves it ready."""
    system = Containers(tmp_path_factory.mktemp("containers"))
    try:
        yield system.start()
    except BaseException:
        print(system.logs())  # noqa: T201 -- why it did not start
        raise
    finally:
        system.stop()


@pytest.fixture
async def http():
    """An HTTP client that waits as long as a small machine needs."""
    async with httpx.AsyncClient(timeout=ANSWERED_WITHIN) as client:
        yield client


async def ask(http, system, prompt, **fields):
    answer = await http.post(f"{system.url}/chat", json={"prompt": prompt, "max_tokens": 24, **fields})
    return answer.status_code, answer.json()


async def test_a_chat_is_answered(system, http):
    """The original's request gets the model's words."""
    status, reply = await ask(http, system, "Why is the sky blue?", messages=[])
    assert (status, reply["refused"]) == (200, False)
    assert reply["response"].strip()
    assert reply["usage"]["completion_tokens"] > 0


async def test_a_keyword_is_refused_in_the_callers_words(system, http):
    """A banned word in the prompt: 200, the caller's own text, and the model hears nothing of it."""
    before = await system.load(http)
    status, reply = await ask(http, system, BANNED, refusal_message="Please ask me something else.")
    assert (status, reply["refused"]) == (200, True)
    assert reply["response"] == "Please ask me something else."
    assert (await system.load(http)).predicted == before.predicted


async def test_a_banned_word_in_the_history_alone_is_refused(system, http):
    """Clients write the history too, so it is held to the same rules as the prompt."""
    history = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": BANNED}]
    status, reply = await ask(http, system, "Go on", messages=history, refusal_message="No.")
    assert (status, reply["response"]) == (200, "No.")
    assert reply["refusal"]["place"] == "messages[1]"


async def test_a_direct_nats_request_is_answered(system):
    """`nats req chat.request` as a direct client gets one reply, the answer."""
    body = json.dumps({"prompt": "Why is the sky blue?", "max_tokens": 24})
    server = f"nats://{system.address('nats', 4222)}"
    if shutil.which("nats"):
        command = ("nats", "--server", server, "--nkey", system.seed, "--timeout", f"{ANSWERED_WITHIN:.0f}s")
        printed = await asyncio.to_thread(
            engine.run, *command, "request", "--raw", "chat.request", body, within=ANSWERED_WITHIN
        )
    else:
        client = await nats.connect(server, nkeys_seed=str(system.seed))
        printed = (await client.request("chat.request", body.encode(), timeout=ANSWERED_WITHIN)).data
        await client.close()
    reply = json.loads(printed)
    assert reply["response"].strip()
    assert reply["refused"] is False


async def test_twenty_at_once_are_answered_strictly_one_at_a_time(system, http):
    """llama.cpp itself never has a second request, working or waiting, and writes each answer once."""
    before = await system.load(http)
    asking = asyncio.gather(*(ask(http, system, f"Say the number {n}.") for n in range(20)))
    loads = []
    while not asking.done():
        loads.append(await system.load(http))
    answers = await asking
    assert [status for status, _ in answers] == [200] * 20
    assert max(load.processing for load in loads) == 1
    assert max(load.processing + load.deferred for load in loads) == 1
    written = sum(reply["usage"]["completion_tokens"] for _, reply in answers)
    assert (await system.load(http)).predicted - before.predicted == written


async def test_a_consumer_killed_in_mid_answer_loses_nothing(system, http):
    """Kill -9 while the model writes, then a start: the client that waits still gets its answer."""
    before = await system.load(http)
    asking = asyncio.create_task(ask(http, system, "Tell a long story of a fox.", max_tokens=200))

    async def writes():
        return (await system.load(http)).processing == 1

    await until(writes, within=60, what="the model writes")
    assert not asking.done()
    await asyncio.to_thread(system.kill, "consumer")
    await asyncio.to_thread(system.start_again, "consumer")
    status, reply = await asking
    assert (status, reply["refused"]) == (200, False)
    assert reply["response"].strip()
    written = (await system.load(http)).predicted - before.predicted
    assert written >= reply["usage"]["completion_tokens"]
    await until(system.is_ready, within=60, what="every part is ready again")


@pytest.mark.parametrize("part", SERVICES)
def test_an_image_says_what_it_is_and_runs_as_nobody_special(images, part):  # noqa: ARG001 -- images first
    """Each image has OCI labels and, of its own accord, a user that is not root."""
    (image,) = json.loads(engine.run("docker", "image", "inspect", SERVICES[part]))
    labels = image["Config"]["Labels"]
    assert labels["org.opencontainers.image.title"] == f"stile-{part}"
    assert labels["org.opencontainers.image.licenses"] == "Apache-2.0"
    uid = image["Config"]["User"].split(":")[0]
    assert uid.isdigit()
    assert int(uid) > 0


@pytest.mark.parametrize("part", SERVICES)
def test_a_stopped_service_leaves_by_itself(system, part):
    """SIGTERM reaches the service as the container's first process: it ends with 0, before any kill."""
    container = system.parts[part].get_wrapped_container()
    began = time.monotonic()
    container.stop(timeout=30)
    assert time.monotonic() - began < 25
    assert container.wait()["StatusCode"] == 0
    container.start()
    asyncio.run(until(system.is_ready, within=120, what="every part is ready again"))
