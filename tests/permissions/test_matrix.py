"""Each identity against each subject: what ``nats/accounts.conf`` lets it publish and subscribe to."""

from uuid import uuid4

import nats
import pytest

ID = uuid4()
SUBJECTS = {
    "request as gateway": "chat.request.gateway",
    "request as alice": "chat.request.alice",
    "request": "chat.request",
    "approve": f"chat.approved.interactive.alice.{ID}",
    "outcome": f"chat.result.alice.{ID}",
    "reply to gateway": "_INBOX_gateway.x.y",
    "reply to a client": "_R_.x.y",
    "heartbeat of filter": "chat.event.filter",
    "heartbeat of consumer": "chat.event.consumer",
    "pull a job": "$JS.API.CONSUMER.MSG.NEXT.CHAT.worker",
    "read a job": f"$JS.API.DIRECT.GET.CHAT.chat.approved.interactive.alice.{ID}",
    "read an outcome": f"$JS.API.DIRECT.GET.CHAT_RESULT.chat.result.alice.{ID}",
    "get by sequence": "$JS.API.STREAM.MSG.GET.CHAT",
    "ask for the account": "$JS.API.INFO",
    "make a stream": "$JS.API.STREAM.CREATE.EVIL",
    "change the stream": "$JS.API.STREAM.UPDATE.CHAT",
    "purge the stream": "$JS.API.STREAM.PURGE.CHAT",
    "make a consumer": "$JS.API.CONSUMER.CREATE.CHAT.evil.chat.approved.>",
    "inbox of filter": "_INBOX_filter.x",
    "inbox of consumer": "_INBOX_consumer.x",
    "inbox of provisioner": "_INBOX_provisioner.x",
    "acknowledge": "$JS.ACK.CHAT.worker.1.1.1.1.1",
    "system": "$SYS.REQ.SERVER.PING",
}
MAY_PUBLISH = {
    "gateway": {"request as gateway"},
    "filter": {
        "approve",
        "outcome",
        "reply to gateway",
        "reply to a client",
        "heartbeat of filter",
        "read a job",
        "read an outcome",
    },
    "consumer": {
        "outcome",
        "reply to gateway",
        "reply to a client",
        "heartbeat of consumer",
        "pull a job",
        "read an outcome",
        "acknowledge",
    },
    "alice": {"request"},
}
MAY_SUBSCRIBE = {
    "gateway": {"reply to gateway", "heartbeat of filter", "heartbeat of consumer"},
    "filter": {"heartbeat of consumer", "inbox of filter"},
    "consumer": {"inbox of consumer"},
    "alice": set(),
}


async def violations(client_of, act):
    """Return what the server refused while ``act`` ran."""
    refused = []

    async def remember(error):
        refused.append(str(error))

    client = await client_of(error_cb=remember)
    await act(client)
    await client.flush()
    # The server answers in order: what it has to refuse of the above it has refused before this arrives.
    await client.flush()
    return refused


@pytest.mark.parametrize("name", SUBJECTS)
@pytest.mark.parametrize("identity", MAY_PUBLISH)
async def test_publish(bus, identity, name):
    """An identity publishes what the matrix allows it, and the server refuses everything else."""
    refused = await violations(
        lambda **options: bus.connect(identity, **options),
        lambda client: client.publish(SUBJECTS[name], b"{}"),
    )
    assert bool(refused) == (name not in MAY_PUBLISH[identity]), refused


@pytest.mark.parametrize("name", SUBJECTS)
@pytest.mark.parametrize("identity", MAY_SUBSCRIBE)
async def test_subscribe(bus, identity, name):
    """An identity hears what the matrix allows it, and the server refuses everything else."""
    refused = await violations(
        lambda **options: bus.connect(identity, **options),
        lambda client: client.subscribe(SUBJECTS[name]),
    )
    assert bool(refused) == (name not in MAY_SUBSCRIBE[identity]), refused


@pytest.mark.parametrize("identity", MAY_SUBSCRIBE)
async def test_nobody_listens_to_everything(bus, identity):
    """A wildcard over all subjects is refused to each of them."""
    refused = await violations(
        lambda **options: bus.connect(identity, **options), lambda client: client.subscribe(">")
    )
    assert refused


async def test_the_filter_hears_requests_only_in_its_queue_group(bus):
    """A filter outside the group would answer every request a second time."""
    refused = await violations(
        lambda **options: bus.connect("filter", **options),
        lambda client: client.subscribe("chat.request.*"),
    )
    assert refused
    refused = await violations(
        lambda **options: bus.connect("filter", **options),
        lambda client: client.subscribe("chat.request.*", queue="filter"),
    )
    assert not refused


async def test_without_a_key_nobody_gets_in(bus):
    """There is no user without an nkey."""
    with pytest.raises(nats.errors.Error):
        await nats.connect(bus.url, allow_reconnect=False, connect_timeout=2)
