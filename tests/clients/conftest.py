"""The whole system before a model, for the clients that people use."""

import asyncio

import openai
import pytest

from harness.models.llama import NAME, Llama
from harness.models.standin import Standin
from harness.parts.system import System

POLICY = """
keywords:
- {id: rude, category: rudeness, phrases: [darnation]}
"""


@pytest.fixture(scope="module")
def system(tmp_path_factory):
    """Every part, once for a module: its tests ask one after the other."""
    yield from running(tmp_path_factory.mktemp("system"), Llama)


@pytest.fixture(scope="module")
def calling_system(tmp_path_factory):
    """The same before the stand-in, which calls tools.

    SmolLM2's template has none, and llama.cpp then leaves ``tool_choice`` aside.
    """
    yield from running(tmp_path_factory.mktemp("calling"), lambda folder: Standin(folder, model=NAME))


def running(folder, make_model):
    """Yield the running system."""
    policy = folder / "policy.yml"
    policy.write_text(POLICY)
    model = make_model(folder)
    system = System(folder, model, settings={"STILE_POLICY": str(policy), "STILE_MAX_MESSAGES": "20"})

    async def start():
        await model.start()
        await system.start()

    with asyncio.Runner() as runner:
        runner.run(start())
        yield system
        runner.run(system.stop())


@pytest.fixture
def client(system):
    """openai-python, as docs/clients.md sets it up."""
    with openai.OpenAI(base_url=f"{system.url}/v1", api_key="none", max_retries=0, timeout=120) as client:
        yield client


@pytest.fixture
def calling(calling_system):
    """The same before a model that calls tools."""
    url = f"{calling_system.url}/v1"
    with openai.OpenAI(base_url=url, api_key="none", max_retries=0, timeout=60) as client:
        yield client
