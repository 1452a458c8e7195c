"""The streams on the bus are those of ``nats/streams.json``."""

from nats.js.api import AckPolicy, ConsumerConfig

from harness.nats.bus import CONFIGURATION
from stile.nats import provision

PLAN = CONFIGURATION / "streams.json"


async def test_a_second_run_changes_nothing(bus):
    """Provisioning is idempotent: what is as it should be is not touched, nor spoken of."""
    shown = []
    await provision.apply(await bus.connect("provisioner"), provision.read_plan(PLAN), shown.append)
    assert shown == []


async def test_a_change_is_shown_and_made(bus):
    """A field that differs is named with both values, and changed; the others stay."""
    plan = provision.read_plan(PLAN)
    plan[0].fields["max_msgs"] = 7
    client = await bus.connect("provisioner")
    shown = []
    await provision.apply(client, plan, shown.append)
    assert shown == ["CHAT: max_msgs is 1000, will be 7"]
    config = (await client.jetstream().stream_info("CHAT")).config
    assert config.max_msgs == 7
    assert config.discard_new_per_subject


async def test_a_consumer_of_an_earlier_version_is_removed(bus):
    """A durable that the plan does not know goes, and that is shown; those that the workers make stay."""
    client = await bus.connect("provisioner")
    js = client.jetstream()
    wide = ConsumerConfig(
        durable_name="worker", filter_subject="chat.approved.interactive.>", ack_policy=AckPolicy.EXPLICIT
    )
    line = ConsumerConfig(
        durable_name="batch-alice",
        filter_subject="chat.approved.batch.alice.*",
        ack_policy=AckPolicy.EXPLICIT,
        inactive_threshold=300,
    )
    for config in (wide, line):
        await js.add_consumer("CHAT", config)
    shown = []
    await provision.apply(client, provision.read_plan(PLAN), shown.append)
    assert shown == ["CHAT/worker: the plan does not know it, removing it"]
    assert [info.name for info in await js.consumers_info("CHAT")] == ["batch-alice"]
