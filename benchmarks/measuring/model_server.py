"""A model's server of fixed speed that costs nearly nothing: its answers are written beforehand.

The stand-in of the tests (tests/standin/llama.py) makes each event of its answers when it is due, and
takes a millisecond between two requests. Where that would be measured too, this one answers:

    python benchmarks/measuring/model_server.py --port 9000 --tokens 500 --token-seconds 0.002

It answers what the worker asks llama.cpp for, and ``GET /record``: when each answer began and ended, in
seconds of the monotonic clock.
"""

import argparse
import asyncio
import json
import time
from typing import cast

_MODEL = "measured"
_PIECE = " word"
"""Of each token."""


class Model:
    """What it answers, and its record.

    Args:
        tokens: of each answer.
        token_seconds: between two tokens; with 0 an answer is sent whole, at once.
    """

    def __init__(self, tokens: int, token_seconds: float) -> None:
        self.token_seconds = token_seconds
        self.record: list[tuple[float, float]] = []
        pieces = [_event({"choices": [{"index": 0, "delta": {"content": _PIECE}}]})] * tokens
        end = {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}
        usage = {"prompt_tokens": 10, "completion_tokens": tokens, "total_tokens": 10 + tokens}
        last = _event(end) + _event({"choices": [], "usage": usage}) + b"data: [DONE]\n\n"
        self.head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n"
        self.parts = [*pieces, last] if token_seconds else [b"".join(pieces) + last]

    def answer(self, path: str) -> bytes:
        """Return the body of the answer to a question."""
        answers: dict[str, object] = {
            "/health": {"status": "ok"},
            "/v1/models": {"data": [{"id": _MODEL}]},
            "/props": {"default_generation_settings": {"n_ctx": 100_000}},
            "/slots": [{"id": 0, "is_processing": False}],
            "/tokenize": {"tokens": [1]},
            "/record": self.record,
        }
        return json.dumps(answers[path]).encode()


class Connection(asyncio.Protocol):
    """One connection, one request at a time."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self._read = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the way back."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Answer a request once it is whole."""
        self._read += data
        head, blank, body = self._read.partition(b"\r\n\r\n")
        if not blank:
            return
        _, _, length = head.lower().partition(b"content-length: ")
        if len(body) < int(length.partition(b"\r\n")[0] or 0):
            return
        self._read = b""
        path = head.split(b" ", 2)[1].decode()
        if path == "/v1/chat/completions":
            self._began = time.monotonic()
            self._transport.write(self._model.head)
            self._write(0)
            return
        answer = self._model.answer(path)
        self._transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(answer) + answer)

    def _write(self, number: int) -> None:
        if self._transport.is_closing():
            return
        parts = self._model.parts
        self._transport.write(parts[number])
        if number + 1 < len(parts):
            # Counted from the start, so that it does not become slower under load.
            due = self._began + (number + 1) * self._model.token_seconds
            asyncio.get_running_loop().call_at(due, self._write, number + 1)
            return
        self._model.record.append((self._began, time.monotonic()))
        self._transport.close()


def _event(chunk: dict[str, object]) -> bytes:
    return (
        b"data: "
        + json.dumps({"object": "chat.completion.chunk", "model": _MODEL, **chunk}).encode()
        + b"\n\n"
    )


async def main() -> None:
    """Serve until it is ended."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--tokens", type=int, default=1, help="of each answer")
    parser.add_argument("--token-seconds", type=float, default=0.0, help="between two tokens")
    options = parser.parse_args()
    model = Model(options.tokens, options.token_seconds)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Connection(model), "127.0.0.1", options.port, backlog=1000)
    print("listening on", options.port, flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
