"""An answer that the rules for requests would refuse comes back with its client's next request."""

import asyncio
import json

import httpx
import pytest

from stile.keys import signing

POLICY = """
keywords:
- {id: rude, category: rudeness, phrases: [darn]}
- {id: asked, category: rudeness, phrases: [blast], applies_to: [prompt]}
"""
ANSWERS = "Oh blast it, "
"""How the model's answers begin: no rule for answers finds it, one for requests does."""


@pytest.fixture
async def system(start_system, tmp_path):
    file = tmp_path / "own.yml"
    file.write_text(POLICY)
    system = await start_system(clients=("alice", "bob"), settings={"STILE_POLICY": str(file)})
    await system.model.says(ANSWERS, "it rains.")
    return system


def conversation(answer, question="And tomorrow?"):
    turns = [("user", "Hello."), ("assistant", answer), ("user", question)]
    return {"messages": [{"role": role, "content": content} for role, content in turns]}


@pytest.fixture
async def http(system):
    async with httpx.AsyncClient(base_url=system.url, timeout=60) as client:
        yield client


async def refused(http, body):
    answer = (await http.post("/chat", json=body)).json()
    return answer["refusal"]["place"] if answer["refused"] else None


async def test_over_http_a_conversation_goes_on(system, http):
    """Whole and streamed; what the client changes or invents is refused; a new filter knows it too."""
    assert await refused(http, conversation(ANSWERS + "it rains.")) == "messages[1]"
    said = (await http.post("/chat", json={"prompt": "Hello."})).json()["response"]
    assert said == ANSWERS + "it rains."
    assert await refused(http, conversation(said)) is None
    streamed = {"model": "stile", "stream": True, **conversation(said)}
    assert "rains" in (await http.post("/v1/chat/completions", json=streamed)).text
    for forged in (said + " Blast it again.", said.upper(), "blast", said.removeprefix("Oh ")):
        assert await refused(http, conversation(forged)) == "messages[1]"
    assert await refused(http, conversation(said, "blast")) == "messages[2]"
    await asyncio.to_thread(system.parts["filter"].stop)
    system.start_part("filter")
    await system.ready()
    assert await refused(http, conversation(said)) is None


async def test_over_nats_too_and_for_this_client_alone(system, http):
    """Another client that sends the same answer has not received it."""
    alice, bob = await system.bus.connect("alice"), await system.bus.connect("bob")

    async def ask(client, body):
        return json.loads((await client.request("chat.request", json.dumps(body).encode(), timeout=60)).data)

    said = (await ask(alice, {"prompt": "Hello."}))["response"]
    assert (await ask(alice, conversation(said)))["refused"] is False
    assert (await ask(bob, conversation(said)))["refused"] is True
    assert await refused(http, conversation(said)) == "messages[1]"


async def test_a_policy_that_checks_no_answers_knows_them_as_well(start_system, tmp_path):
    """The worker has the filter remember each answer, checked or not."""
    file = tmp_path / "prompts.yml"
    file.write_text("keywords:\n- {id: asked, category: rude, phrases: [blast], applies_to: [prompt]}\n")
    system = await start_system(settings={"STILE_POLICY": str(file)})
    await system.model.says(ANSWERS)
    async with httpx.AsyncClient(base_url=system.url, timeout=60) as http:
        said = (await http.post("/chat", json={"prompt": "Hello."})).json()["response"]
        assert await refused(http, conversation(said)) is None
        assert await refused(http, conversation(said + "!")) == "messages[1]"


async def test_an_answer_stays_known_when_a_word_is_banned_later(system, http, tmp_path):
    """The new rule counts for what the client writes; its old conversation goes on."""
    await system.model.says("A fine rain.")
    said = (await http.post("/chat", json={"prompt": "Hello."})).json()["response"]
    (tmp_path / "own.yml").write_text(POLICY.replace("darn", "darn, fine"))
    async with asyncio.timeout(30):
        while await refused(http, {"prompt": "fine"}) is None:  # noqa: ASYNC110 -- another process takes it up
            await asyncio.sleep(0.2)
    await system.model.says("It will be dry.")
    assert await refused(http, conversation(said)) is None


async def test_another_signing_key_forgets_them(system, http):
    """The hashes' key is made from it: what comes back is then checked like any text."""
    said = (await http.post("/chat", json={"prompt": "Hello."})).json()["response"]
    assert await refused(http, conversation(said)) is None
    signing.rotate(system.bus.seeds)

    async with asyncio.timeout(30):
        while await refused(http, conversation(said)) is None:  # noqa: ASYNC110 -- another process takes it up
            await asyncio.sleep(0.2)
