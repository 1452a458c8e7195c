"""The bus's documentation names every subject and every message there is."""

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
    patterns = {"chat.request.{origin}", "chat.approved.{lane}.{client}.{id}", "chat.result.{client}.{id}"}
    assert addresses == patterns | {None, subjects.FILTER_HEARTBEAT, subjects.CONSUMER_HEARTBEAT}
    assert {pattern.count("{") for pattern in patterns} == {
        subjects.REQUESTS.count("*"),
        subjects.APPROVED.count("*"),
        subjects.RESULTS.count("*"),
    }
