"""Signing with a key in a file, and taking up another one while it runs."""

import pytest
import structlog
from nacl.signing import SigningKey

from harness.filter.signing_key import FIXTURE, OTHER_SEED, put
from stile_contracts import signing
from stile_filter.admission.signing import FileSigner, NoSigner

APPROVAL = (FIXTURE["subject"], FIXTURE["headers"], FIXTURE["body"].encode())


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
    assert NoSigner().sign(*APPROVAL) == {}
