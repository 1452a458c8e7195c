"""The bus's documentation names every subject and every message there is."""

import re
from pathlib import Path

from ruamel.yaml import YAML

from stile_contracts import subjects
from stile_contracts.export import MESSAGES

NATS = Path(__file__).parents[2] / "nats"


def read():
    return YAML(typ="safe").load(NATS / "asyncapi.yaml")


def test_every_message_is_described_by_its_schema():
    """No message is missing, and each points at a schema that is there."""
    messages = read()["components"]["messages"]
    assert set(messages) == set(MESSAGES)
    for message in messages.values():
        assert (NATS / message["payload"]["$ref"]).exists()


def test_the_addresses_are_those_of_the_contract():
    """The documented subjects are the ones that the code uses."""
    addresses = {channel["address"] for channel in read()["channels"].values()}
    patterns = {
        "chat.request.{origin}": subjects.REQUESTS,
        "chat.approved.{lane}.{client}.{id}": subjects.APPROVED,
        "chat.approved.{lane}.{client}.{id}.{model}": subjects.APPROVED_FOR_MODEL,
        "chat.result.{client}.{id}": subjects.RESULTS,
        "chat.cancel.{origin}.{id}": subjects.CANCELS,
        "chat.outcome.{origin}.{id}": subjects.STATUS_REQUESTS,
        "chat.conversation.{client}.{id}": subjects.CONVERSATIONS,
        "chat.log.{client}.{id}": subjects.LOG,
        "chat.written.{client}.{hash}": subjects.WRITTEN,
        "chat.dead.{lane}.{client}.{id}": subjects.DEAD,
        "chat.event.started.{lane}.{client}.{id}": subjects.STARTED,
        "chat.event.finished.{lane}.{client}.{id}": subjects.FINISHED,
        "chat.event.cancelled.{client}.{id}": subjects.CANCELLED,
        "chat.event.unheard.{client}.{id}": subjects.ABANDONED,
        "chat.event.heard.{client}.{id}": subjects.ATTENDED,
        "chat.follow.{client}.{id}": subjects.FOLLOW,
    }
    plain = {
        subjects.ANSWER_CHECKS,
        subjects.RECALL,
        subjects.FILTER_HEARTBEAT,
        subjects.CONSUMER_HEARTBEAT,
        subjects.WAKE,
        subjects.HOLD,
        subjects.CONSOLE_VERDICT,
        subjects.CONSOLE_QUEUE,
        subjects.CONSOLE_CANCEL,
        subjects.CONSOLE_HOLD,
        subjects.CONSOLE_RESUME,
    }
    assert addresses == set(patterns) | plain | {None}
    for pattern, subject in patterns.items():
        assert re.sub(r"{\w+}", "*", pattern) == subject
