"""Signing with a key in a file, and taking up another one while it runs."""

import json
from pathlib import Path

import pytest
import structlog
from nacl.signing import SigningKey

from stile_contracts import signing
from stile_filter.signing import FileSigner, Unsigned

FIXTURE = json.loads(
    (Path(__file__).parents[2] / "contracts" / "fixtures" / "v1" / "signature.json").read_text()
)
APPROVAL = (FIXTURE["subject"], FIXTURE["headers"], FIXTURE["body"].encode())
OTHER_SEED = signing.encode(bytes(range(32)))


def put(path, text):
    """Replace the file at once, as ``stile keys rotate-signing`` does."""
    draft = path.with_suffix(".new")
    draft.write_text(text)
    draft.replace(path)


@pytest.fixture
def key_file(tmp_path):
    """A file with the fixture's seed."""
    file = tmp_path / "signing.key"
    file.write_text(FIXTURE["seed"] + "\n")
    return file


def test_a_signature_is_the_fixtures(key_file):
    """The same key and approval give the same signature, everywhere: Ed25519 has no chance in it."""
    assert FileSigner(key_file).sign(*APPROVAL) == {
        "Chat-Signature": FIXTURE["signature"],
        "Chat-Signing-Key": FIXTURE["key_id"],
    }


def test_a_replaced_file_is_taken_up_at_the_next_approval(key_file):
    """No restart: the next signature is the new key's, and holds under it."""
    signer = FileSigner(key_file)
    signer.sign(*APPROVAL)
    put(key_file, OTHER_SEED)
    with structlog.testing.capture_logs() as logs:
        signed = signer.sign(*APPROVAL)
        signer.sign(*APPROVAL)
    assert signed["Chat-Signing-Key"] == signer.key_id != FIXTURE["key_id"]
    assert [entry["event"] for entry in logs] == ["signing_key_changed"]
    payload = FIXTURE["payload"].encode()
    assert (
        SigningKey(bytes(range(32))).verify_key.verify(payload, signing.decode(signed["Chat-Signature"]))
        == payload
    )


@pytest.mark.parametrize("text", ["", "no seed", signing.encode(bytes(31)), "ä"])
def test_a_file_that_holds_no_seed_changes_nothing(key_file, text):
    """The old key goes on signing, it is told once, and the next good file is taken up."""
    signer = FileSigner(key_file)
    key_file.write_text(text)
    with structlog.testing.capture_logs() as logs:
        for _ in range(3):
            assert signer.sign(*APPROVAL)["Chat-Signing-Key"] == FIXTURE["key_id"]
    assert [entry["event"] for entry in logs] == ["signing_key_unusable"]
    put(key_file, OTHER_SEED)
    assert signer.sign(*APPROVAL)["Chat-Signing-Key"] != FIXTURE["key_id"]


def test_a_file_that_is_gone_changes_nothing(key_file):
    """Between an unlink and a write there may be a moment; it costs no request."""
    signer = FileSigner(key_file)
    key_file.unlink()
    assert signer.sign(*APPROVAL)["Chat-Signing-Key"] == FIXTURE["key_id"]
    put(key_file, OTHER_SEED)
    assert signer.sign(*APPROVAL)["Chat-Signing-Key"] != FIXTURE["key_id"]


def test_without_a_key_nothing_is_signed():
    """A consumer that checks nothing needs no header for it."""
    assert Unsigned().sign(*APPROVAL) == {}


async def test_the_service_signs_with_the_key_of_the_moment(bus, run_filter, key_file):
    """What lies in CHAT carries a signature of its own subject, headers and body, after a rotation too."""
    await run_filter("", STILE_SIGNING_KEY=key_file)
    gateway = await bus.connect("gateway")
    for number in range(2):
        if number:
            put(key_file, OTHER_SEED)
        chat_id = f"0190a5d0-0000-7000-8000-{number:012}"
        message_headers = {
            "Chat-Id": chat_id,
            "Chat-Client": "http-x",
            "Chat-Deadline": "9999999999999",
            "Chat-Events": "state",
        }
        heard = await gateway.request(
            "chat.request.gateway", b'{"prompt":"Hi"}', headers=message_headers, timeout=10
        )
        assert heard.headers["Chat-Event"] == "accepted"
        provisioner = (await bus.connect("provisioner")).jetstream()
        stored = await provisioner.get_last_msg("CHAT", f"chat.approved.interactive.http-x.{chat_id}")
        seed = signing.decode(key_file.read_text().strip())
        public = SigningKey(seed).verify_key
        assert stored.headers["Chat-Signing-Key"] == signing.key_id(bytes(public))
        payload = signing.payload(stored.subject, stored.headers, stored.data)
        assert public.verify(payload, signing.decode(stored.headers["Chat-Signature"])) == payload


async def test_without_a_key_the_service_says_so(run_filter):
    """Signing is off only where somebody can read that it is."""
    assert "approvals_unsigned" in (await run_filter("")).output()


async def test_a_key_that_is_none_stops_the_start(run_filter, tmp_path):
    """By the variable's name, and without what the file holds."""
    file = tmp_path / "signing.key"
    file.write_text("very secret")
    process = await run_filter("", wait=False, STILE_SIGNING_KEY=file)
    assert process._child.wait(60) == 1
    assert "STILE_SIGNING_KEY: " in process.output()
    assert "secret" not in process.output()
