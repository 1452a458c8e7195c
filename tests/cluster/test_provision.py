"""`stile provision` on a cluster: through any server that answers, and as many replicas as it is told."""

import os
import subprocess

import pytest

from harness.processes.ports import free_port
from harness.processes.process import BIN, Process
from harness.processes.wait import until
from stile_contracts import subjects

pytestmark = pytest.mark.asyncio(loop_scope="module")


def provision(cluster, **settings):
    environment = {**os.environ, **cluster.environment("provisioner"), **settings}
    return subprocess.run(
        [BIN / "stile", "provision"], env=environment, capture_output=True, text=True, check=False
    )


async def test_replicas_are_a_setting(cluster):
    """An installation grows from one server to three, and back, while what it stores stays."""
    writer = (await cluster.connect("filter")).jetstream()
    observer = (await cluster.connect("provisioner")).jetstream()
    place = subjects.result("alice", "kept")
    await writer.publish(place, b"kept")
    dead = f"nats://127.0.0.1:{free_port()}"
    for replicas in (1, 3):
        run = provision(cluster, STILE_NATS_URL=f"{dead}, {cluster.url}", STILE_NATS_REPLICAS=str(replicas))
        assert run.returncode == 0, run.stderr
        assert f"CHAT: num_replicas is {4 - replicas}, will be {replicas}" in run.stdout

        async def everywhere(replicas=replicas):
            info = await observer.stream_info("CHAT_RESULT")
            others = [peer for peer in info.cluster.replicas or [] if peer.current]
            return len(others) == replicas - 1

        await until(everywhere, within=60, what=f"{replicas} servers keep the outcomes")
        assert (await writer.get_msg("CHAT_RESULT", subject=place)).data == b"kept"


async def test_no_server_at_all_is_one_line(cluster):
    """Where none answers, all are named, and why, within seconds."""
    dead = [f"nats://127.0.0.1:{free_port()}" for _ in range(2)]
    run = provision(cluster, STILE_NATS_URL=",".join(dead))
    assert run.returncode == 1
    assert all(url in run.stderr for url in dead)
    assert run.stderr.count("\n") == 1


async def test_a_server_without_the_password_is_no_member(cluster, tmp_path):
    """Whoever reaches a cluster's port, and does not know the routes' password, gets no route."""
    node = next(iter(cluster.nodes.values()))
    before = (await node.monitor("routez"))["num_routes"]
    stranger = tmp_path / "stranger.conf"
    stranger.write_text(
        f"listen: 127.0.0.1:{free_port()}\ncluster {{ name: stile, listen: 127.0.0.1:{free_port()}, "
        f'routes: ["nats-route://route:wrong@127.0.0.1:{node.route_port}"] }}\n'
    )
    process = Process(BIN / "nats-server", "-c", stranger, log=tmp_path / "stranger.log")
    try:
        await until(lambda: "Authorization Violation" in process.output(), what="it is turned away")
    finally:
        process.stop()
    assert (await node.monitor("routez"))["num_routes"] == before
