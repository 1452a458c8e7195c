"""Ports: which are free, which move, and what is said of those that are taken."""

import os
import socket

import pytest

from stile.errors import PortError
from stile.settings import Settings
from stile.supervise import parts, ports


def listen():
    """Take a free port."""
    listener = socket.create_server(("127.0.0.1", 0))
    return listener, listener.getsockname()[1]


def test_a_taken_port_is_told_with_its_holder_and_variable():
    """The message says who wanted it, who has it and what moves it."""
    listener, port = listen()
    with listener, pytest.raises(PortError) as raised:
        ports.require_free("gateway", "127.0.0.1", port, "STILE_PORT")
    text = str(raised.value)
    assert "gateway" in text
    assert "STILE_PORT" in text
    assert f"pid {os.getpid()}" in text


def test_ports_that_move_by_themselves():
    """A preferred port that is taken gives way to a free one."""
    listener, port = listen()
    with listener:
        chosen = ports.choose(port, set())
    assert chosen != port
    assert ports.choose(chosen, {chosen}) != chosen


def test_two_parts_cannot_have_one_port():
    """Variables that are set to the same port are named."""
    listener, port = listen()
    listener.close()
    with pytest.raises(PortError, match=r"STILE_NATS_PORT and STILE_PORT are both"):
        parts.check_ports(
            Settings(nats_port=port, port=port, llama_url="http://x", consumer_port=ports.choose(1, set()))
        )


def test_an_address_that_the_machine_lacks_is_not_in_use():
    """192.0.2.0/24 is nobody's (RFC 5737)."""
    with pytest.raises(PortError, match="no such address; set STILE_HOST"):
        ports.require_free("gateway", "192.0.2.1", 8000, "STILE_PORT")
