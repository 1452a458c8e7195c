"""Free ports."""

import itertools
import os
import socket

_WORKER = os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")
_COUNT = 10_000
_FIRST = 10_000 * (1 + int(_WORKER) % 2)
"""Below the ports that the system gives to outgoing connections, and another range for each half of a run."""
_ports = (_FIRST + number % _COUNT for number in itertools.count(os.getpid()))


def free_port() -> int:
    """Return a TCP port on loopback that nothing listens on just now, another one each time."""
    for port in itertools.islice(_ports, _COUNT):
        with socket.socket() as listener:
            try:
                listener.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise OSError("no port is free")
