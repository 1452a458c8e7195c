"""TCP ports: whether one is free, and which program has it."""

import errno
import socket
from contextlib import suppress

import psutil

from stile.errors import PortError

_NEXT = 100
_NO_ADDRESS = {errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT}


def is_free(host: str, port: int) -> bool:
    """Return whether a server could listen on ``host``:``port`` now."""
    return _fault(host, port) is None


def _fault(host: str, port: int) -> OSError | None:
    """Return why no server could listen there now."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        with socket.socket(family) as listener:
            # As servers do: a connection that is still closing does not hold the port.
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            listener.bind((host, port))
    except OSError as error:
        return error
    return None


def holder(port: int) -> str | None:
    """Return the program that listens on ``port``, ``nginx (pid 12)``, if this user may know it."""
    with suppress(psutil.Error):
        for connection in psutil.net_connections(kind="tcp"):
            match connection.laddr:
                case (_, here) if here == port and connection.status == psutil.CONN_LISTEN and connection.pid:
                    return f"{psutil.Process(connection.pid).name()} (pid {connection.pid})"
    return None


def require_free(part: str, host: str, port: int, variable: str) -> None:
    """Check that ``part`` can have its port.

    Raises:
        PortError: it is taken; the message says by which program, and which variable changes it. Or
            this machine has no such address.
    """
    fault = _fault(host, port)
    if fault is not None and fault.errno in _NO_ADDRESS:
        raise PortError(
            f"{part} cannot listen on {host}: this machine has no such address; set "
            f"{variable.removesuffix('PORT')}HOST to another one"
        )
    if fault is not None and fault.errno == errno.EACCES:
        raise PortError(f"port {port}, which {part} wants, needs more rights: set {variable} to another port")
    if fault is not None:
        by = holder(port)
        raise PortError(
            f"port {port}, which {part} wants, is in use{f' by {by}' if by else ''}: "
            f"stop that, or set {variable} to another port"
        )


def choose(preferred: int, taken: set[int]) -> int:
    """Return the first port from ``preferred`` on that is free on loopback and not in ``taken``.

    If a hundred are taken, any free port is returned.
    """
    host = "127.0.0.1"
    for port in range(preferred, min(preferred + _NEXT, 65536)):
        if port not in taken and is_free(host, port):
            return port
    while True:
        with socket.socket() as listener:
            listener.bind((host, 0))
            port = int(listener.getsockname()[1])
        if port not in taken:
            return port
