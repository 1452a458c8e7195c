"""A small Hugging Face hub on loopback: some files, with what its client asks for, and faults."""

import hashlib
import http.server
import threading
from typing import Self


class Hub:
    """Serves ``content`` as ``repository/file``, and records ``ranges``, ``paths`` and ``tokens``.

    Args:
        content: the file's bytes.
        file: its name.
        others: more files, by the ends of their paths; every other is a 404.
    """

    def __init__(self, content: bytes, file: str, others: dict[str, bytes] | None = None) -> None:
        self.content = content
        self.file = file
        self.others = others or {}
        self.cut_at: int | None = None
        """Break off before this byte of the file, whatever part of it was asked for."""
        self.ranges: list[str | None] = []
        self.paths: list[str] = []
        self.tokens: list[str | None] = []
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def find(self, path: str) -> bytes | None:
        """Return the file that is served under ``path``."""
        served = {self.file: self.content, **self.others}
        file = path.partition("?")[0]
        return next((content for name, content in served.items() if file.endswith(f"/{name}")), None)

    def _handler(hub) -> type[http.server.BaseHTTPRequestHandler]:  # noqa: N805 -- `self` is the handler's
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_HEAD(self) -> None:
                self._answer(body=False)

            def do_GET(self) -> None:
                hub.ranges.append(self.headers["Range"])
                hub.paths.append(self.path)
                hub.tokens.append(self.headers["Authorization"])
                self._answer(body=True)

            def log_message(self, *_: object) -> None:
                pass

            def _answer(self, *, body: bool) -> None:
                content = hub.find(self.path)
                if content is None:
                    self.send_response(404)
                    self.send_header("X-Error-Code", "EntryNotFound")
                    self.send_header("Content-Length", "0")
                    self.end_headers()
                    return
                first = int((self.headers["Range"] or "bytes=0-")[6:].split("-")[0]) if body else 0
                rest = content[first:]
                self.send_response(206 if first else 200)
                self.send_header("ETag", f'"{hashlib.sha256(content).hexdigest()}"')
                self.send_header("X-Repo-Commit", "a" * 40)
                self.send_header("Accept-Ranges", "bytes")
                self.send_header("Content-Length", str(len(rest)))
                if first:
                    last = len(content) - 1
                    self.send_header("Content-Range", f"bytes {first}-{last}/{len(content)}")
                self.end_headers()
                if body:
                    self.wfile.write(content[first : hub.cut_at])
                    if hub.cut_at is not None:
                        self.close_connection = True

        return Handler
