"""What is logged of a connection; the connections themselves are tested with the services."""

import structlog

from stile_runtime.connection import QUIET_SECONDS, Listener, Login, service_options


class Clock:
    """Seconds that a test moves."""

    now = 0.0

    def __call__(self):
        return self.now


async def test_an_outage_does_not_fill_the_log():
    """Errors of one kind are logged once in ten seconds, and at once after a reconnection."""
    clock = Clock()
    listener = Listener(clock)
    with structlog.testing.capture_logs() as logs:
        for _ in range(3):
            await listener.failed(ConnectionRefusedError("refused"))
            await listener.failed(TimeoutError())
        clock.now += QUIET_SECONDS
        await listener.failed(ConnectionRefusedError("refused"))
        await listener.reconnected()
        await listener.failed(ConnectionRefusedError("refused"))
    assert [(entry["event"], entry.get("reason")) for entry in logs] == [
        ("bus_error", "refused"),
        ("bus_error", "TimeoutError"),
        ("bus_error", "refused"),
        ("bus_reconnected", None),
        ("bus_error", "refused"),
    ]


def test_several_servers_and_the_users_own_inbox(tmp_path):
    """The servers stand with commas between them; TLS comes first if there is any."""
    login = Login("nats://a:1, nats://b:2", tmp_path / "x.nk", None, "_INBOX_x")
    options = service_options(login, "stile-x", Listener())
    assert options["servers"] == ["nats://a:1", "nats://b:2"]
    assert (options["inbox_prefix"], options["nkeys_seed"]) == ("_INBOX_x", str(tmp_path / "x.nk"))
    assert (options["tls"], options["tls_handshake_first"]) == (None, False)
