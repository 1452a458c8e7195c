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
    "approve for a model": f"chat.approved.interactive.alice.{ID}.llama-3=2E2",
    "outcome": f"chat.result.alice.{ID}",
    "have an answer checked": "chat.answer",
    "judge an answer": "_INBOX_answer.x",
    "reply to gateway": "_INBOX_gateway.x.y",
    "reply to a client": "_R_.x.y",
    "heartbeat of filter": "chat.event.filter",
    "heartbeat of consumer": "chat.event.consumer",
    "wake the workers": "chat.event.approved",
    "tell a start": f"chat.event.started.interactive.alice.{ID}",
    "tell an end": f"chat.event.finished.interactive.alice.{ID}",
    "tell a cancellation": f"chat.event.cancelled.alice.{ID}",
    "ask who hears": f"chat.event.unheard.alice.{ID}",
    "say who hears": f"chat.event.heard.alice.{ID}",
    "follow a request": f"chat.follow.alice.{ID}",
    "lay aside": f"chat.dead.interactive.alice.{ID}",
    "write the log": f"chat.log.alice.{ID}",
    "read the log": "$JS.API.DIRECT.GET.CHAT_LOG",
    "read the log by its subject": f"$JS.API.DIRECT.GET.CHAT_LOG.chat.log.alice.{ID}",
    "read the log by the leader": "$JS.API.STREAM.MSG.GET.CHAT_LOG",
    "make a reader of the log": "$JS.API.CONSUMER.CREATE.CHAT_LOG.x",
    "purge the log": "$JS.API.STREAM.PURGE.CHAT_LOG",
    "hold the queue": "chat.hold",
    "ask for a verdict": "chat.console.verdict",
    "ask for the queue": "chat.console.queue",
    "ask for a cancellation": "chat.console.cancel",
    "ask for a hold": "chat.console.hold",
    "ask for the end of a hold": "chat.console.resume",
    "reply to the console": "_INBOX_console.x",
    "keep a conversation": f"chat.conversation.alice.{ID}",
    "read a conversation": "$JS.API.STREAM.MSG.GET.CHAT_CONVERSATION",
    "recall a conversation": "chat.recall",
    "purge the conversations": "$JS.API.STREAM.PURGE.CHAT_CONVERSATION",
    "remember an answer": f"chat.written.alice.{'0' * 32}",
    "look an answer up": "$JS.API.STREAM.MSG.GET.CHAT_WRITTEN",
    "forget the answers": "$JS.API.STREAM.PURGE.CHAT_WRITTEN",
    "cancel": f"chat.cancel.{ID}",
    "cancel as gateway": f"chat.cancel.gateway.{ID}",
    "cancel as alice": f"chat.cancel.alice.{ID}",
    "look up": f"chat.outcome.{ID}",
    "look up as gateway": f"chat.outcome.gateway.{ID}",
    "look up as alice": f"chat.outcome.alice.{ID}",
    "see who waits": "$JS.API.STREAM.INFO.CHAT",
    "see whose requests are outcomes": "$JS.API.STREAM.INFO.CHAT_RESULT",
    "make a line's consumer": "$JS.API.CONSUMER.CREATE.CHAT.batch-alice.chat.approved.batch.alice.*",
    "make a line's consumer for a model": (
        "$JS.API.CONSUMER.CREATE.CHAT.batch-alice=smollm2.chat.approved.batch.alice.*.smollm2"
    ),
    "see a line's consumer": "$JS.API.CONSUMER.INFO.CHAT.batch-alice",
    "remove a line's consumer": "$JS.API.CONSUMER.DELETE.CHAT.batch-alice",
    "take a job out": "$JS.API.STREAM.MSG.DELETE.CHAT",
    "take an outcome out": "$JS.API.STREAM.MSG.DELETE.CHAT_RESULT",
    "pull a job": "$JS.API.CONSUMER.MSG.NEXT.CHAT.batch-alice",
    "read a job": "$JS.API.STREAM.MSG.GET.CHAT",
    "read any outcome": "$JS.API.STREAM.MSG.GET.CHAT_RESULT",
    "read a job of any replica": f"$JS.API.DIRECT.GET.CHAT.chat.approved.interactive.alice.{ID}",
    "read an outcome of any replica": f"$JS.API.DIRECT.GET.CHAT_RESULT.chat.result.alice.{ID}",
    "read what was laid aside": f"$JS.API.DIRECT.GET.CHAT_DLQ.chat.dead.interactive.alice.{ID}",
    "take out what was laid aside": "$JS.API.STREAM.MSG.DELETE.CHAT_DLQ",
    "say that a job was given up": "$JS.EVENT.ADVISORY.CONSUMER.MAX_DELIVERIES.CHAT.batch-alice",
    "ask for the account": "$JS.API.INFO",
    "make a stream": "$JS.API.STREAM.CREATE.EVIL",
    "change the stream": "$JS.API.STREAM.UPDATE.CHAT",
    "purge the stream": "$JS.API.STREAM.PURGE.CHAT",
    "purge the outcomes": "$JS.API.STREAM.PURGE.CHAT_RESULT",
    "make a reader of outcomes": "$JS.API.CONSUMER.CREATE.CHAT_RESULT.shares-x",
    "read outcomes in turn": "$JS.API.CONSUMER.MSG.NEXT.CHAT_RESULT.shares-x",
    "change the outcomes' stream": "$JS.API.STREAM.UPDATE.CHAT_RESULT",
    "purge what was laid aside": "$JS.API.STREAM.PURGE.CHAT_DLQ",
    "make a consumer": "$JS.API.CONSUMER.CREATE.CHAT.evil.chat.approved.>",
    "inbox of filter": "_INBOX_filter.x",
    "inbox of consumer": "_INBOX_consumer.x",
    "inbox of provisioner": "_INBOX_provisioner.x",
    "inbox of operator": "_INBOX_operator.x",
    "ask all services": "$SRV.INFO",
    "ask the workers": "$SRV.STATS.stile-worker",
    "ask a worker": "$SRV.PING.stile-worker.x",
    "ask another service": "$SRV.INFO.other",
    "acknowledge": "$JS.ACK.CHAT.batch-alice.1.1.1.1.1",
    "system": "$SYS.REQ.SERVER.PING",
}
ASK_WORKERS = {"ask all services", "ask the workers", "ask a worker"}
MAY_PUBLISH = {
    "provisioner": {
        "see who waits",
        "see whose requests are outcomes",
        "make a line's consumer",
        "make a line's consumer for a model",
        "see a line's consumer",
        "remove a line's consumer",
        "take a job out",
        "take an outcome out",
        "pull a job",
        "read a job",
        "read any outcome",
        "read a job of any replica",
        "read an outcome of any replica",
        "read what was laid aside",
        "take out what was laid aside",
        "read a conversation",
        "recall a conversation",
        "purge the conversations",
        "read the log",
        "read the log by its subject",
        "read the log by the leader",
        "make a reader of the log",
        "purge the log",
        "look an answer up",
        "forget the answers",
        "ask for the account",
        "make a stream",
        "change the stream",
        "purge the stream",
        "purge the outcomes",
        "make a reader of outcomes",
        "read outcomes in turn",
        "change the outcomes' stream",
        "purge what was laid aside",
        "make a consumer",
        "ask another service",
        *ASK_WORKERS,
    },
    "gateway": {
        "request as gateway",
        "cancel as gateway",
        "look up as gateway",
        "ask who hears",
        "say who hears",
        "follow a request",
        "keep a conversation",
        "read a conversation",
        "recall a conversation",
    },
    "filter": {
        "approve",
        "approve for a model",
        "outcome",
        "remember an answer",
        "look an answer up",
        "reply to gateway",
        "reply to a client",
        "heartbeat of filter",
        "judge an answer",
        "wake the workers",
        "tell a cancellation",
        "tell an end",
        "lay aside",
        "see who waits",
        "see a line's consumer",
        "take a job out",
        "read a job",
        "read any outcome",
        "see whose requests are outcomes",
        "make a reader of outcomes",
        "read outcomes in turn",
        "purge the outcomes",
        "write the log",
        "hold the queue",
        "reply to the console",
    },
    "consumer": {
        "write the log",
        "outcome",
        "reply to gateway",
        "reply to a client",
        "have an answer checked",
        "heartbeat of consumer",
        "tell a start",
        "tell an end",
        "lay aside",
        "see who waits",
        "make a line's consumer",
        "make a line's consumer for a model",
        "pull a job",
        "read any outcome",
        "acknowledge",
        "inbox of operator",
    },
    "console": {
        "read the log",
        "ask for a verdict",
        "ask for the queue",
        "ask for a cancellation",
        "ask for a hold",
        "ask for the end of a hold",
    },
    "alice": {"request", "cancel", "look up"},
}
MAY_SUBSCRIBE = {
    "provisioner": {"inbox of provisioner", "inbox of operator"},
    "gateway": {
        "reply to gateway",
        "heartbeat of filter",
        "heartbeat of consumer",
        "tell an end",
        "tell a cancellation",
        "ask who hears",
        "say who hears",
    },
    "filter": {
        "heartbeat of consumer",
        "inbox of filter",
        "tell a start",
        "tell an end",
        "tell a cancellation",
    },
    "consumer": {
        "inbox of consumer",
        "judge an answer",
        "wake the workers",
        "tell a start",
        "tell a cancellation",
        "follow a request",
        *ASK_WORKERS,
    },
    "console": {
        "reply to the console",
        "write the log",
        "heartbeat of filter",
        "heartbeat of consumer",
    },
    "alice": set(),
}


class Client:
    """A connection of one identity, and what the server has refused to it.

    Args:
        bus: where to.
        identity: as which user.
    """

    def __init__(self, bus, identity):
        self._bus = bus
        self._identity = identity
        self._refused = []

    async def __aenter__(self):
        async def remember(error):
            self._refused.append(str(error))

        self._connection = await self._bus.connect(self._identity, error_cb=remember)
        return self

    async def __aexit__(self, *_):
        await self._connection.close()

    async def may_publish(self, subject):
        """Publish; return whether the server lets it pass."""
        await self._connection.publish(subject, b"{}")
        return await self._is_let_pass()

    async def may_subscribe(self, subject, queue=""):
        """Subscribe; return whether the server lets it pass."""
        await self._connection.subscribe(subject, queue=queue)
        return await self._is_let_pass()

    async def _is_let_pass(self):
        await self._connection.flush()
        # The server answers in order: what it has to refuse of the above it has refused before this arrives.
        await self._connection.flush()
        refused, self._refused = self._refused, []
        assert len(refused) <= 1, refused
        return not refused


@pytest.mark.parametrize("identity", MAY_PUBLISH)
async def test_publish(bus, identity):
    """An identity publishes what the matrix allows it, and the server refuses everything else."""
    async with Client(bus, identity) as client:
        allowed = {name for name, subject in SUBJECTS.items() if await client.may_publish(subject)}
    assert allowed == MAY_PUBLISH[identity]


@pytest.mark.parametrize("identity", MAY_SUBSCRIBE)
async def test_subscribe(bus, identity):
    """An identity hears what the matrix allows it, and the server refuses everything else."""
    async with Client(bus, identity) as client:
        allowed = {name for name, subject in SUBJECTS.items() if await client.may_subscribe(subject)}
    assert allowed == MAY_SUBSCRIBE[identity]


@pytest.mark.parametrize("identity", MAY_SUBSCRIBE)
async def test_nobody_listens_to_everything(bus, identity):
    """A wildcard over all subjects is refused to each of them."""
    async with Client(bus, identity) as client:
        assert not await client.may_subscribe(">")


@pytest.mark.parametrize(
    ("subject", "queue"),
    [
        ("chat.request.gateway", "filter"),
        ("chat.cancel.gateway.*", "filter"),
        ("chat.outcome.gateway.*", "filter"),
        ("chat.answer", "filter"),
        ("chat.console.*", "filter"),
        ("chat.request.*", "filter-direct"),
        ("chat.cancel.*.*", "filter-direct"),
        ("chat.outcome.*.*", "filter-direct"),
        ("$JS.EVENT.ADVISORY.CONSUMER.MAX_DELIVERIES.CHAT.*", "filter"),
    ],
)
async def test_the_filter_hears_what_it_answers_only_in_its_queue_group(bus, subject, queue):
    """A filter outside the group would answer everything a second time."""
    async with Client(bus, "filter") as client:
        assert not await client.may_subscribe(subject)
        assert await client.may_subscribe(subject, queue=queue)


async def test_without_a_key_nobody_gets_in(bus):
    """There is no user without an nkey."""
    with pytest.raises(nats.errors.Error):
        await nats.connect(bus.url, allow_reconnect=False, connect_timeout=2)
