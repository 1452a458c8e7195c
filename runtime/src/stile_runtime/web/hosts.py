"""The names of this machine: what `Host` may say if nothing but the name protects a service.

Another site can let its own name point to this machine (DNS rebinding). A browser then takes this service for
that site. The browser sends the name in `Host`, and no page can change that.
"""

import re
import socket
from collections.abc import Iterable
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address

HOST = "Host"
NAME = re.compile(r"[a-z0-9_-]+(?:\.[a-z0-9_-]+)*")
_HOST = re.compile(
    r"(?:\[(?P<ipv6>[0-9a-f]*:[0-9a-f:.]*)\]|(?P<name>[a-z0-9._-]+?)\.?)(?::[0-9]{0,5})?", re.ASCII
)


class Hosts:
    """Tells this machine's names from others.

    Args:
        bound: the address, or the name, that the service listens on. If it is every address, each address
            counts as this machine's: another site has a name, never a bare address of ours.
        names: further names and addresses, as ``further_names`` returns them.
    """

    def __init__(self, bound: str, names: Iterable[str] = ()) -> None:
        machine = socket.gethostname().lower().rstrip(".")
        short = machine.partition(".")[0]
        self._names = {bound.lower(), machine, short, f"{short}.local", "localhost"}
        self._addresses: set[IPv4Address | IPv6Address] = set()
        for name in (bound, *names):
            if address := as_address(name):
                self._addresses.add(address)
            else:
                self._names.add(name)
        own = as_address(bound)
        self._any_address = own is not None and own.is_unspecified

    def are_own(self, values: list[str]) -> bool:
        """Tell whether a request was sent to one of these names.

        Args:
            values: its ``Host`` headers. Two are refused: another reader may take the other one.
        """
        return len(values) == 1 and self._is_own(values[0])

    def _is_own(self, value: str) -> bool:
        found = _HOST.fullmatch(value.lower())
        if found is None:
            return False
        name = found["name"] or ""
        address = as_address(found["ipv6"] or name)
        if address is None:
            return name in self._names or (name.endswith(".localhost") and NAME.fullmatch(name) is not None)
        return self._any_address or address.is_loopback or address in self._addresses


def further_names(names: Iterable[str]) -> tuple[str, ...]:
    """Return names and addresses that a setting adds, as ``Hosts`` takes them.

    Raises:
        ValueError: one is neither a name nor an address.
    """
    plain = tuple(name.lower().rstrip(".") for name in names)
    if not all(NAME.fullmatch(name) or as_address(name) for name in plain):
        raise ValueError("give names or addresses without ports, several with commas between them")
    return plain


@lru_cache(maxsize=64)
def as_address(text: str) -> IPv4Address | IPv6Address | None:
    """Return the address that ``text`` is, an IPv4-mapped one as IPv4; None if it is a name."""
    try:
        address = ip_address(text)
    except ValueError:
        return None
    return (address.ipv4_mapped or address) if isinstance(address, IPv6Address) else address


def is_loopback(host: str) -> bool:
    """Tell whether a server on ``host`` is reached from this machine alone."""
    address = as_address(host)
    return host.lower() == "localhost" if address is None else address.is_loopback
