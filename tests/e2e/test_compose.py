"""`docker compose up` as a newcomer runs it, but for its ports, its name and a smaller model."""

import asyncio
import json
import shlex
import shutil
import socket
from uuid import uuid4

import httpx
import pytest

from e2e import engine
from harness.processes.ports import free_port
from harness.processes.wait import until

pytestmark = pytest.mark.timeout(1800)

SERVICES = {"nats", "llama-cpp", "filter-service", "rust-consumer", "gateway", "bus-port", "console"}
ONE_SHOTS = {"credentials", "provision", "models", "guard-models"}


class Compose:
    """The project's compose file under a name and ports of its own."""

    def __init__(self, models) -> None:
        self.project = f"stile-e2e-{uuid4().hex[:8]}"
        self.port = free_port()
        self.nats_port = free_port()
        self.console_port = free_port()
        self._env = {
            "COMPOSE_PROJECT_NAME": self.project,
            "COMPOSE_PROFILES": "bus,console",
            "STILE_CONSOLE_PORT": str(self.console_port),
            "STILE_MODEL": "small.gguf",
            "STILE_MODELS_DIR": str(models),
            "STILE_SLOT_SECONDS": "3",
            "STILE_NATS_PORT": f"127.0.0.1:{self.nats_port}",
            "STILE_PORT": f"127.0.0.1:{self.port}",
        }

    def __call__(self, *argv, within=120.0):
        """Run `docker compose …`; return what it printed."""
        return engine.run("docker", "compose", *argv, env=self._env, within=within)

    def containers(self):
        """Return `docker inspect` of every container, those that have ended too, by service."""
        ids = self("ps", "--all", "--quiet").split()
        described = json.loads(engine.run("docker", "inspect", *ids))
        return {each["Config"]["Labels"]["com.docker.compose.service"]: each for each in described}


@pytest.fixture(scope="module")
def compose(images, tmp_path_factory):  # noqa: ARG001 -- images first
    """The compose file, up and healthy; taken down with its volumes afterwards."""
    models = tmp_path_factory.mktemp("models")
    shutil.copy(engine.small_model(), models / "small.gguf")
    for path in (models, models / "small.gguf"):
        path.chmod(0o755)  # llama.cpp's container reads it under a user of its own
    compose = Compose(models)
    try:
        compose("up", "--detach", "--wait", "--wait-timeout", "600", within=700)
        yield compose
    except BaseException:
        print(compose("ps", "--all"), compose("logs", "--tail", "40"))  # noqa: T201 -- why it did not come up
        raise
    finally:
        compose("down", "--volumes", "--timeout", "30")


def test_every_service_is_healthy(compose):
    """All that runs on is healthy, by its own check; all that runs once has ended well."""
    states = {name: each["State"] for name, each in compose.containers().items()}
    assert {
        name for name, state in states.items() if state.get("Health", {}).get("Status") == "healthy"
    } == SERVICES
    assert {name for name, state in states.items() if state["Status"] == "exited"} == ONE_SHOTS
    assert {states[name]["ExitCode"] for name in ONE_SHOTS} == {0}


def test_a_chat_is_answered(compose):
    """The one published HTTP port answers with the model's words."""
    body = {"prompt": "Why is the sky blue?", "max_tokens": 24}
    answer = httpx.post(f"http://127.0.0.1:{compose.port}/chat", json=body, timeout=240)
    assert answer.status_code == 200
    assert answer.json()["response"].strip()


def test_no_container_has_more_rights_than_it_needs(compose):
    """No root but the one that becomes the models folder's owner; nothing writable, no capability kept."""
    for name, each in compose.containers().items():
        host = each["HostConfig"]
        assert host["ReadonlyRootfs"], name
        assert host["CapDrop"] == ["ALL"], name
        assert host["SecurityOpt"] == ["no-new-privileges:true"], name
        assert host["Memory"] > 0, name
        assert not host["Privileged"], name
        kept = {capability.removeprefix("CAP_") for capability in host["CapAdd"] or ()}
        if name in ("models", "guard-models"):
            assert (each["Config"]["User"], kept) == ("0:0", {"SETGID", "SETUID"})
        else:
            assert (each["Config"]["User"], kept) == ("10001:10001", set()), name


def test_a_running_process_is_what_was_asked_for(compose):
    """Seen from inside: the uid is not root's, no capability is left, the root takes no file."""
    script = (
        "id -u; sed -n 's/^CapEff:[[:space:]]*//p; s/^CapBnd:[[:space:]]*//p' /proc/self/status;"
        " touch /probe 2>/dev/null && echo writable || echo read-only"
    )
    for name in SERVICES:
        uid, *capabilities, root = compose("exec", "-T", name, "sh", "-c", script).split()
        assert uid == "10001", name
        assert {int(mask, 16) for mask in capabilities} == {0}, name
        assert root == "read-only", name


def test_only_the_named_ports_are_published(compose):
    """The gateway's 8000, and what the profiles publish; nothing else."""
    published = {
        (name, inside, bound["HostIp"], int(bound["HostPort"]))
        for name, each in compose.containers().items()
        for inside, bindings in (each["NetworkSettings"]["Ports"] or {}).items()
        for bound in bindings or ()
    }
    assert published == {
        ("gateway", "8000/tcp", "127.0.0.1", compose.port),
        ("bus-port", "4222/tcp", "127.0.0.1", compose.nats_port),
        ("console", "8090/tcp", "127.0.0.1", compose.console_port),
    }


def test_only_the_consumer_reaches_the_model(compose):
    """llama.cpp shares its one network with the consumer alone, and that network leads nowhere."""
    networks = {name: set(each["NetworkSettings"]["Networks"]) for name, each in compose.containers().items()}
    model = f"{compose.project}_model"
    assert networks["llama-cpp"] == {model}
    assert {name for name, joined in networks.items() if model in joined} == {"llama-cpp", "rust-consumer"}
    for name in (model, f"{compose.project}_bus"):
        (network,) = json.loads(engine.run("docker", "network", "inspect", name))
        assert network["Internal"], name


def test_the_model_answers_who_has_its_key(compose):
    """Without the key, which two containers alone have, its port answers nothing but its health."""
    assert ask_model(compose, "slots", key=False)[1] == "401"
    assert ask_model(compose, "slots")[1] == "200"
    containers = compose.containers()
    mounting = {
        name
        for name, each in containers.items()
        if any(mount["Destination"] == "/run/stile-model" for mount in each["Mounts"])
    }
    assert mounting == {"llama-cpp", "rust-consumer"}
    key = compose("exec", "-T", "rust-consumer", "cat", "/run/stile-model/llama.key").strip()
    assert len(key) >= 43
    assert key not in json.dumps(containers) + compose("logs", "--no-color")


def test_the_models_container_logs_no_request(compose):
    """llama.cpp quotes what it refuses; its container's log, which shows when it was ready, does not."""
    said, status = ask_model(compose, "v1/chat/completions", schema={"type": "quarantinedmarker"})
    assert status == "400"
    assert "quarantinedmarker" in said
    logged = compose("logs", "--no-color", "llama-cpp")
    assert "llama.cpp is ready" in logged
    assert "quarantinedmarker" not in logged


def test_a_stuck_model_is_started_again(compose):
    """A model that computes for nobody is ended by its health check, and the next request is answered."""
    pattern = "^(.?){1999}(.?){1999}(.?){1999}(.?){1999}$"
    hostile = {"type": "string", "pattern": pattern}
    _, status = ask_model(compose, "v1/chat/completions", schema=hostile, within=2)
    assert status == "000"  # curl has hung up
    # A worker that is new is not sure of the slot: an earlier one's call may still hold it.
    compose("restart", "rust-consumer")
    restarts = lambda: compose.containers()["llama-cpp"]["RestartCount"]  # noqa: E731 -- asked again and again
    asyncio.run(until(restarts, within=180, what="its container was started again"))
    answers(compose)
    assert "llama.cpp is stuck" in compose("logs", "--no-color", "llama-cpp")


def ask_model(compose, path, *, schema=None, key=True, within=60):
    """Ask llama.cpp in its own container; return the answer and its status."""
    words = ["curl", "--silent", "--max-time", str(within), "--write-out", r"\n%{http_code}"]
    if schema is not None:
        form = {"type": "json_schema", "json_schema": {"name": "a", "schema": schema}}
        body = {"messages": [{"role": "user", "content": "x"}], "max_tokens": 4, "response_format": form}
        words += ["--header", "Content-Type: application/json", "--data", json.dumps(body)]
    command = shlex.join([*words, f"http://127.0.0.1:11434/{path}"])
    if key:
        command += ' --header "Authorization: Bearer $(cat /run/stile-model/llama.key)"'
    said = compose("exec", "-T", "llama-cpp", "bash", "-c", f"{command} || true", within=within + 60)
    answer, _, status = said.strip().rpartition("\n")
    return answer, status


def test_each_service_sees_its_own_seed_alone(compose):
    """A seed is a file of mode 0400 in a volume that no other service mounts."""
    volumes = []
    for name in ("gateway", "filter-service", "rust-consumer", "console"):
        seeds = [
            mount for mount in compose.containers()[name]["Mounts"] if mount["Destination"] == "/run/stile"
        ]
        (seed,) = seeds
        assert not seed["RW"], name
        volumes.append(seed["Name"])
        assert compose("exec", "-T", name, "stat", "-c", "%u %a", "/run/stile/nats.nk").split() == [
            "10001",
            "400",
        ]
    assert len(set(volumes)) == len(volumes)
    environment = json.dumps([each["Config"]["Env"] for each in compose.containers().values()])
    assert '"SU' not in environment
    assert "=SU" not in environment


def test_another_key_signs_while_everything_runs(compose):
    """`rotate-signing` keeps the former key, and says no within the hour; `--revoke` drops the former."""

    def believed():
        text = compose("exec", "-T", "rust-consumer", "cat", "/run/stile/approval.keys")
        return [line.split()[0] for line in text.splitlines() if not line.startswith("#")]

    (first,) = believed()
    assert first not in rotated(compose)
    assert len(believed()) == 2
    assert first in believed()
    answers(compose)
    with pytest.raises(AssertionError, match="within the hour"):
        rotated(compose)
    assert len(believed()) == 2
    said = rotated(compose, "--revoke")
    (last,) = believed()
    assert last in said
    answers(compose)


def rotated(compose, *options):
    return compose("run", "--rm", "-T", "rotate-signing", *options)


def answers(compose):
    """A worker takes up what the key of the moment has signed."""
    body = {"prompt": "Why is the sky blue?", "max_tokens": 4}
    answer = httpx.post(f"http://127.0.0.1:{compose.port}/chat", json=body, timeout=240)
    assert answer.status_code == 200, answer.text


async def test_the_owner_sees_what_happened_and_holds_the_queue(compose):
    """The console by its one-time link, and `owner` on the command line, show the same; a hold is obeyed."""
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{compose.port}", timeout=240) as client:
        refused = await client.post("/chat", json={"prompt": "what the fuck"})
        assert refused.json()["refused"]
        link = compose("run", "--rm", "-T", "console-link").strip()
        address, _, token = link.partition("/#token=")
        assert address == f"http://127.0.0.1:{compose.console_port}"
        async with httpx.AsyncClient(base_url=f"{address}/api/", timeout=60) as owner:
            assert (await owner.get("history")).status_code == 401
            signed_in = await owner.post("session", json={"token": token})
            owner.headers["Stile-Session"] = signed_in.raise_for_status().json()["proof"]

            async def seen():
                records = (await owner.get("history")).raise_for_status().json()["records"]
                return [record for record in records if record["outcome"] == "refused"]

            (record,) = await until(seen, within=30, what="the refusal is shown")
            listed = json.loads(compose("run", "--rm", "-T", "owner", "refusals", "--json"))
            assert [entry["id"] for entry in listed] == [record["id"]]
            compose("run", "--rm", "-T", "owner", "hold")
            assert (await owner.get("queue")).json()["queue"]["held"]
            waiting = asyncio.create_task(client.post("/chat", json={"prompt": "Hello", "max_tokens": 4}))

            async def waits():
                return (await owner.get("queue")).json()["queue"]["waiting"]

            await until(waits, within=30, what="the request waits")
            compose("run", "--rm", "-T", "owner", "resume")
            assert (await waiting).status_code == 200


def test_the_profiles_port_leads_to_the_bus(compose):
    """Behind the profile's port nats-server greets, and lets nobody in without a key."""
    with socket.create_connection(("127.0.0.1", compose.nats_port), timeout=30) as connection:
        greeting = connection.makefile("rb").readline()
    kind, _, info = greeting.partition(b" ")
    assert kind == b"INFO"
    assert json.loads(info)["auth_required"] is True
