"""The signed text, and the written form of keys and signatures. The worker reads the same fixture."""

import json
from pathlib import Path

import pytest

from stile_contracts import signing

FIXTURE = json.loads((Path(__file__).parents[1] / "fixtures" / "v1" / "signature.json").read_text())


def test_the_payload_and_the_key_id_are_those_of_the_fixture():
    """If either changed, every worker would drop every approval."""
    body = FIXTURE["body"].encode()
    assert signing.payload(FIXTURE["subject"], FIXTURE["headers"], body).decode() == FIXTURE["payload"]
    assert signing.key_id(signing.decode(FIXTURE["public_key"])) == FIXTURE["key_id"]


@pytest.mark.parametrize("header", signing.SIGNED_HEADERS)
def test_a_header_that_is_not_there_is_an_empty_line(header):
    """The payload differs from the one with the header, and has as many lines."""
    fewer = {name: value for name, value in FIXTURE["headers"].items() if name != header}
    payload = signing.payload(FIXTURE["subject"], fewer, FIXTURE["body"].encode()).decode()
    assert payload == FIXTURE["payload"].replace(f"\n{FIXTURE['headers'][header]}\n", "\n\n")


def test_what_is_encoded_is_read_again():
    """Every length, with both of the alphabet's own characters."""
    for raw in (b"", b"\xfb", b"\xff\xfe", b"\xfb\xff\xbf", bytes(range(64))):
        assert signing.decode(signing.encode(raw)) == raw
    assert signing.encode(b"\xfb\xff\xbf") == "-_-_"


@pytest.mark.parametrize("text", ["AA==", "A", "AB", "a+b/", "AA AA", "AAAA\n", "ä"])
def test_another_spelling_is_not_read(text):
    """Padding, the other alphabet, spaces, unused bits: each value has only one spelling."""
    with pytest.raises(ValueError):  # noqa: PT011 -- binascii's and our own
        signing.decode(text)
