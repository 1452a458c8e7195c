"""The real service signs what it approves."""

from nacl.signing import SigningKey

from harness.filter.signing_key import OTHER_SEED, put
from stile_contracts import signing


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
