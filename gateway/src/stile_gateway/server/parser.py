"""httptools' parser for a server that upgrades to no other protocol.

An upgrade that a server does not know is ignored, and the request answered (RFC 9110, section 7.8). llhttp
leaves it to its user what follows such a head, and httptools then skips the body.
"""

from typing import Protocol

import httptools

CONNECT = b"CONNECT"


class Reader(Protocol):
    """What the parser tells of the requests that it reads."""

    headers: list[tuple[bytes, bytes]]
    """Of the latest request, their names in lower case."""
    url: bytes


class UpgradeIgnoringParser:
    """Reads a head that asks for an upgrade a second time, without its ``Upgrade``.

    While ``skips_head`` is true, the head and the end of the message are read again at once.

    Args:
        reader: receives the parser's callbacks.
    """

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._parser = _parser(reader)

    def get_http_version(self) -> str:
        """Return the version of the latest request, ``1.1``."""
        version: str = self._parser.get_http_version()
        return version

    def get_method(self) -> bytes:
        """Return the method of the latest request."""
        method: bytes = self._parser.get_method()
        return method

    def should_keep_alive(self) -> bool:
        """Tell whether the connection stays open after the latest request."""
        return bool(self._parser.should_keep_alive())

    @property
    def skips_head(self) -> bool:
        """Whether the head that was just read asks for an upgrade."""
        return bool(self._parser.should_upgrade()) and self.get_method() != CONNECT

    def should_upgrade(self) -> bool:
        """Tell uvicorn that nothing is upgraded."""
        return False

    def feed_data(self, data: bytes) -> None:
        """Read what has come.

        Raises:
            httptools.HttpParserError: it is not HTTP.
            httptools.HttpParserUpgrade: it is a CONNECT; what follows is not read.
        """
        while True:
            try:
                self._parser.feed_data(data)
            except httptools.HttpParserUpgrade as upgrade:
                if not self.skips_head:
                    raise
                data = self._head() + data[upgrade.args[0] :]
                self._parser = _parser(self._reader)  # httptools cannot go on after an upgrade
            else:
                return

    def _head(self) -> bytes:
        """Write the latest head without its ``Upgrade``."""
        version = self._parser.get_http_version().encode()
        first = b"%b %b HTTP/%b\r\n" % (self._parser.get_method(), self._reader.url, version)
        fields = (b"%b: %b\r\n" % field for field in self._reader.headers if field[0] != b"upgrade")
        return first + b"".join(fields) + b"\r\n"


def _parser(reader: Reader) -> httptools.HttpRequestParser:
    parser = httptools.HttpRequestParser(reader)
    # As uvicorn has it: what follows a request that closes the connection is no fault of that request.
    parser.set_dangerous_leniencies(lenient_data_after_close=True)
    return parser
