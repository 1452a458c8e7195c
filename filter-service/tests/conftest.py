"""Fixtures of the filter's tests."""

from pathlib import Path

import pytest

from harness.clients.request_sender import RequestSender
from harness.filter.deciding import WORDS, Deciding
from harness.filter.signing_key import FIXTURE
from harness.nats.bus import Bus
from harness.processes.process import BIN, Process
from harness.processes.wait import until

OWN_SCANNERS = Path(__file__).parent / "own"


@pytest.fixture(autouse=True)
def no_downloads(monkeypatch):
    """Models come from local folders here; a test that would download one is wrong."""
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")


@pytest.fixture
async def bus(tmp_path):
    """A real nats-server with the project's own configuration and streams."""
    bus = await Bus(tmp_path, clients=("alice", "mallory")).start()
    yield bus
    await bus.stop()


@pytest.fixture
async def gateway(bus):
    """The gateway's side of the bus."""
    return await RequestSender(await bus.connect("gateway")).listen()


@pytest.fixture
def key_file(tmp_path):
    """A file with the seed of the contract's fixture."""
    file = tmp_path / "signing.key"
    file.write_text(FIXTURE["seed"] + "\n")
    return file


@pytest.fixture
def own_scanners(monkeypatch):
    """Makes the scanners of ``own_scanners.py`` importable in child processes."""
    monkeypatch.setenv("PYTHONPATH", str(OWN_SCANNERS))


@pytest.fixture(scope="session")
def injection_model(tmp_path_factory):
    """A folder with a classifier for PromptInjection that knows the word «ignore»."""
    from harness.models import classifiers  # noqa: PLC0415 -- only these tests pay for transformers

    return classifiers.make(tmp_path_factory.mktemp("models") / "injection", ["SAFE", "INJECTION"], "ignore")


@pytest.fixture(scope="session")
def toxicity_model(tmp_path_factory):
    """A folder with a classifier for Toxicity that knows the word «hate»."""
    from harness.models import classifiers  # noqa: PLC0415 -- only these tests pay for transformers

    labels = ["neutral", "obscene", "toxicity"]
    return classifiers.make(tmp_path_factory.mktemp("models") / "toxicity", labels, "hate")


@pytest.fixture
async def run_filter(bus, tmp_path):
    """Start the real service with a policy; ends it afterwards."""
    running = []

    async def start(policy, *, wait=True, argv=(BIN / "stile-filter",), **env):
        file = tmp_path / "policy.yml"
        file.write_text(policy)
        process = Process(
            *argv,
            log=tmp_path / f"filter-{len(running)}.log",
            env={
                **bus.environment("filter"),
                "STILE_POLICY": str(file),
                "PYTHONPATH": str(OWN_SCANNERS),
                **{name: str(value) for name, value in env.items()},
            },
        )
        running.append(process)
        if wait:
            await until(
                lambda: "filter_ready" in process.output() or process.exit_code is not None,
                within=120,
                what="the filter is ready",
            )
            assert process.exit_code is None, process.output()
        return process

    yield start
    for process in running:
        process.stop()


@pytest.fixture
def policy_file(tmp_path):
    """Write a policy and return its path."""

    def write(text):
        file = tmp_path / "policy.yml"
        file.write_text(text)
        return file

    return write


@pytest.fixture
def system(policy_file):
    """Return the use case with the keyword layer alone."""
    return Deciding(policy_file(WORDS))
