"""A stand-in for llama.cpp's HTTP server: of fixed speed, and it records what it generated.

For load and faults, where the real one is too slow or cannot be made to fail; the end-to-end tests use
the real one. Standard library only, so that the consumer's tests can start it with any Python:

    python tests/standin/llama.py --port 9000 --tokens 20 --token-seconds 0.01

It answers ``/health``, ``/v1/models``, ``/props``, ``/slots``, ``/tokenize`` (``tokenizer.py``),
``/apply-template`` and ``/v1/chat/completions`` as llama.cpp does with one slot, and echoes the last message
in its answer, so that an answer given to the wrong request is seen. If ``tool_choice`` is ``required``, or a
tool is offered and the last message begins with "Call ", it calls the first tool, with the last message for
each argument that is required, in several deltas. With ``--key KEY`` all but ``/health`` asks for it, as a
bearer token. Beyond
llama.cpp:

    GET  /standin/log     {"generations": [{prompt, seed, started, ended, outcome, tokens}],
                          "most_open": n, "last": request, "tokenized": n}
    POST /standin/faults  {"status": 500, "times": 2}, {"cut_after": 3, "times": 1} or {"loading": true}
                          {"holds": true}: a slot whose client has left stays busy until the next faults
                          {"unanswered": ["/slots"]}: these paths are not answered until the next faults
                          {"context": 50}: longer conversations are too long, in words, until the next faults
    POST /standin/tokenize {"mode": "absent"}: how /tokenize fails from now on, or null
    POST /standin/pieces  {"pieces": ["So ", "what"]}: the answers from now on, or null for the echo
    POST /standin/speed   {"tokens": 8, "token_seconds": 0.1}: of the answers that begin from now on

With ``--record FILE`` each start and end is a line there too, so that a killed stand-in's record is left.
"""

import argparse
import asyncio
import itertools
import json
import os
import signal
import time
from contextlib import suppress
from dataclasses import asdict, dataclass, field

from tokenizer import Tokenizer

CONTEXT = 4096
"""Tokens of its context, so it says."""
ECHO_CHARS = 200
LOOK_SECONDS = 0.02
"""How soon the end of a fault is seen."""
PROMPT_TOKENS = 10
"""Of every prompt, so it says."""


@dataclass
class Generation:
    """One answer: when (seconds, monotonic clock) and how it ended."""

    prompt: str
    seed: int | None
    started: float
    ended: float | None = None
    outcome: str = "running"
    tokens: int = 0


@dataclass
class Faults:
    """What goes wrong next, and how often."""

    status: int | None = None
    cut_after: int | None = None
    times: int = 0
    loading: bool = False
    holds: bool = False
    unanswered: list[str] = field(default_factory=list)
    context: int | None = None
    """How many tokens (here words) a conversation may have."""


@dataclass
class Standin:
    """One slot, its speed, and its record."""

    tokens: int
    token_seconds: float
    prompt_seconds: float
    model: str
    record: int | None = None
    """A file's descriptor."""
    key: str | None = None
    slot: asyncio.Lock = field(default_factory=asyncio.Lock)
    faults: Faults = field(default_factory=Faults)
    generations: list[Generation] = field(default_factory=list)
    open: int = 0
    most_open: int = 0
    last: dict[str, object] = field(default_factory=dict)
    """The latest request, whole."""
    pieces: list[str] | None = None
    """What it answers instead of the echo."""
    tokenizer: Tokenizer = field(default_factory=Tokenizer)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one connection's requests, one after the other."""
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            while request := await _read_request(reader):
                route, authorization, body = request
                while route.partition(" ")[2] in self.faults.unanswered:  # noqa: ASYNC110 -- faults are replaced
                    await asyncio.sleep(LOOK_SECONDS)
                if self._is_locked(route, authorization):
                    error = {
                        "error": {"message": "Invalid API Key", "type": "authentication_error", "code": 401}
                    }
                    _write_json(writer, error, 401)
                elif not await self._answer(route, body, reader, writer):
                    break
        writer.close()

    def _is_locked(self, route: str, authorization: str) -> bool:
        is_public = route == "GET /health" or "/standin/" in route
        return self.key is not None and not is_public and authorization != f"Bearer {self.key}"

    async def _answer(
        self, route: str, body: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        match route:
            case "GET /health":
                _write_json(writer, *self._health())
            case "GET /v1/models":
                _write_json(writer, {"object": "list", "data": [{"id": self.model, "object": "model"}]})
            case "GET /props":
                settings = {"n_ctx": self.faults.context or CONTEXT}
                capabilities = {"supports_tools": True}
                _write_json(
                    writer,
                    {"default_generation_settings": settings, "chat_template_caps": capabilities},
                )
            case "GET /slots":
                slot = {"id": 0, "n_ctx": self.faults.context or CONTEXT, "is_processing": self.slot.locked()}
                _write_json(writer, [slot])
            case "GET /standin/log":
                record = [asdict(generation) for generation in self.generations]
                _write_json(
                    writer,
                    {
                        "generations": record,
                        "most_open": self.most_open,
                        "last": self.last,
                        "tokenized": self.tokenizer.asked,
                    },
                )
            case (
                "POST /standin/faults"
                | "POST /standin/speed"
                | "POST /standin/pieces"
                | "POST /standin/tokenize"
            ):
                self._change(route.rpartition("/")[2], json.loads(body))
                _write_json(writer, {})
            case "POST /apply-template":
                _write_json(writer, {"prompt": " ".join(_texts(json.loads(body)))})
            case "POST /tokenize":
                return await self._tokenize(json.loads(body), reader, writer)
            case "POST /v1/chat/completions":
                return await self._complete(json.loads(body), reader, writer)
            case _:
                _write_json(writer, {"error": {"message": "File Not Found", "code": 404}}, 404)
        await writer.drain()
        return True

    def _change(self, what: str, values: dict[str, object]) -> None:
        match what:
            case "faults":
                self.faults = Faults(**values)
            case "tokenize":
                self.tokenizer.mode = values["mode"]
            case _:
                for name, value in values.items():
                    setattr(self, name, value)

    def _health(self) -> tuple[dict[str, object], int]:
        if self.faults.loading:
            return {"error": {"message": "Loading model", "type": "unavailable_error", "code": 503}}, 503
        return {"status": "ok"}, 200

    async def _tokenize(
        self, question: dict[str, object], reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        answer = self.tokenizer.answer(question)
        if answer is None:
            if self.tokenizer.mode == "silent":
                await reader.read(1)  # until the client has gone
            return False
        _write_json(writer, *answer)
        await writer.drain()
        return True

    async def _complete(
        self, request: dict[str, object], reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        self.open += 1
        self.most_open = max(self.most_open, self.open)
        gone = asyncio.ensure_future(reader.read(1))
        answer = asyncio.ensure_future(self._generate(request, writer))
        try:
            await asyncio.wait({gone, answer}, return_when=asyncio.FIRST_COMPLETED)
            if answer.done():
                return answer.result()
            answer.cancel()
            with suppress(asyncio.CancelledError):
                await answer
            return False
        finally:
            gone.cancel()
            await asyncio.wait({gone})  # two may not read from one connection
            self.open -= 1

    async def _generate(self, request: dict[str, object], writer: asyncio.StreamWriter) -> bool:
        if self.faults.times and self.faults.status:
            self.faults.times -= 1
            error = {"error": {"message": "made to fail", "code": self.faults.status}}
            _write_json(writer, error, self.faults.status)
            await writer.drain()
            return False
        if (words := _words(request)) > (self.faults.context or words):
            error = {"code": 400, "type": "exceed_context_size_error", "message": "made to be too long"}
            sizes = {"n_prompt_tokens": words, "n_ctx": self.faults.context}
            _write_json(writer, {"error": error | sizes}, 400)
            await writer.drain()
            return False
        async with self.slot:
            self.last = request
            prompt = request["messages"][-1].get("content") or ""
            generation = Generation(prompt, request.get("seed"), time.monotonic())
            self.generations.append(generation)
            self._note(generation)
            try:
                generation.outcome = await self._write_answer(request, generation, writer)
            except (asyncio.CancelledError, ConnectionError):
                generation.outcome = "cancelled"
                while self.faults.holds:  # noqa: ASYNC110 -- the same
                    await asyncio.sleep(LOOK_SECONDS)
                raise
            finally:
                generation.ended = time.monotonic()
                self._note(generation)
        return not request.get("stream")

    def _note(self, generation: Generation) -> None:
        if self.record is not None:
            line = {"at": time.time(), "open": self.open, **asdict(generation)}
            os.write(self.record, json.dumps(line).encode() + b"\n")

    async def _write_answer(
        self, request: dict[str, object], generation: Generation, writer: asyncio.StreamWriter
    ) -> str:
        pace = self.token_seconds
        await _pause(self.prompt_seconds)
        read = time.monotonic()
        if request.get("stream"):
            writer.write(_head(200, "text/event-stream"))
            writer.write(_event(self._chunk({"role": "assistant", "content": None})))
        is_called = request.get("tools") and generation.prompt.startswith("Call ")
        if (request.get("tool_choice") == "required" or is_called) and request.get("stream"):
            return await self._write_call(request, generation, writer, read)
        tokens = self.tokens if self.pieces is None else len(self.pieces)
        wanted = min(tokens, request.get("max_tokens") or tokens)
        echo = itertools.chain([f"echo: {generation.prompt[:ECHO_CHARS]}"], itertools.repeat(" word"))
        words = itertools.islice(echo if self.pieces is None else self.pieces, wanted)
        written = []
        for word in words:
            await _pause(pace)
            if self.faults.times and self.faults.cut_after == len(written):
                self.faults.times -= 1
                writer.transport.abort()
                return "cut"
            written.append(word)
            generation.tokens += 1
            if request.get("stream"):
                writer.write(_event(self._chunk({"content": word})))
                await writer.drain()
        reason = "length" if wanted < tokens else "stop"
        usage = {"prompt_tokens": PROMPT_TOKENS, "completion_tokens": wanted}
        usage["total_tokens"] = PROMPT_TOKENS + wanted
        if request.get("stream"):
            writer.write(_event(self._chunk({}, reason)))
            writer.write(self._last(usage, _timings(generation, read)))
        else:
            message = {"role": "assistant", "content": "".join(written)}
            choice = {"index": 0, "message": message, "finish_reason": reason}
            whole = {"model": self.model, "choices": [choice], "usage": usage}
            _write_json(writer, {**whole, "timings": _timings(generation, read)})
        await writer.drain()
        return "done"

    async def _write_call(
        self, request: dict[str, object], generation: Generation, writer: asyncio.StreamWriter, read: float
    ) -> str:
        function = request["tools"][0]["function"]
        names = function.get("parameters", {}).get("required", [])
        arguments = json.dumps(dict.fromkeys(names, generation.prompt[:ECHO_CHARS]))
        name = {"name": function["name"], "arguments": ""}
        deltas = [{"index": 0, "id": "call_standin", "type": "function", "function": name}]
        deltas += [
            {"index": 0, "function": {"arguments": arguments[start : start + 8]}}
            for start in range(0, len(arguments), 8)
        ]
        for delta in deltas:
            generation.tokens += 1
            writer.write(_event(self._chunk({"tool_calls": [delta]})))
            await writer.drain()
        writer.write(_event(self._chunk({}, "tool_calls")))
        usage = {"prompt_tokens": PROMPT_TOKENS, "completion_tokens": len(deltas)}
        usage["total_tokens"] = PROMPT_TOKENS + len(deltas)
        writer.write(self._last(usage, _timings(generation, read)))
        await writer.drain()
        return "done"

    def _last(self, usage: dict[str, int], timings: dict[str, float]) -> bytes:
        """Return the chunk with the counts, which comes where ``include_usage`` asks for it, and the end."""
        return (
            _event({**self._chunk({}), "choices": [], "usage": usage, "timings": timings})
            + b"data: [DONE]\n\n"
        )

    def _chunk(self, delta: dict[str, object], reason: str | None = None) -> dict[str, object]:
        choice = {"index": 0, "delta": delta, "finish_reason": reason}
        return {"object": "chat.completion.chunk", "model": self.model, "choices": [choice]}


def _timings(generation: Generation, read: float) -> dict[str, float]:
    """Say how fast it was, as measured, from the prompt's start, its end at ``read``, and now."""
    shortest = 1e-6  # a speed must be finite
    reading = max(read - generation.started, shortest)
    writing = max(time.monotonic() - read, shortest)
    return {
        "prompt_n": PROMPT_TOKENS,
        "prompt_ms": reading * 1000,
        "prompt_per_second": PROMPT_TOKENS / reading,
        "predicted_n": generation.tokens,
        "predicted_ms": writing * 1000,
        "predicted_per_second": generation.tokens / writing,
    }


def _words(request: dict[str, object]) -> int:
    return sum(len(text.split()) for text in _texts(request))


def _texts(request: dict[str, object]) -> list[str]:
    return [message.get("content") or "" for message in request["messages"]]


async def _pause(seconds: float) -> None:
    if seconds:
        await asyncio.sleep(seconds)


async def _read_request(reader: asyncio.StreamReader) -> tuple[str, str, bytes] | None:
    """Return a request's method and path, its ``Authorization``, its body; None at the connection's end."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return None
    first, *lines = head.decode("latin-1").split("\r\n")
    method, target, _ = first.split(" ", 2)
    fields = (line.split(": ", 1) for line in lines if ": " in line)
    headers = {name.lower(): value for name, value in fields}
    body = await reader.readexactly(int(headers.get("content-length", 0)))
    return f"{method} {target}", headers.get("authorization", ""), body


def _event(body: dict[str, object]) -> bytes:
    return b"data: " + json.dumps(body).encode() + b"\n\n"


def _head(status: int, kind: str, length: int | None = None) -> bytes:
    framing = "Connection: close" if length is None else f"Content-Length: {length}"
    return f"HTTP/1.1 {status} X\r\nContent-Type: {kind}\r\n{framing}\r\n\r\n".encode()


def _write_json(writer: asyncio.StreamWriter, body: object, status: int = 200) -> None:
    text = json.dumps(body).encode()
    writer.write(_head(status, "application/json", len(text)) + text)


async def main() -> None:
    """Serve until SIGTERM."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--tokens", type=int, default=8, help="of each answer")
    parser.add_argument("--token-seconds", type=float, default=0.0, help="between two tokens")
    parser.add_argument("--prompt-seconds", type=float, default=0.0, help="before the first token")
    parser.add_argument("--model", default="standin", help="what it is called")
    parser.add_argument("--record", help="a file that starts and ends are written to")
    parser.add_argument("--key", help="that is asked for")
    options = parser.parse_args()
    record = (
        os.open(options.record, os.O_CREAT | os.O_APPEND | os.O_WRONLY, 0o644) if options.record else None
    )
    standin = Standin(
        options.tokens, options.token_seconds, options.prompt_seconds, options.model, record, options.key
    )
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    server = await asyncio.start_server(standin.serve, "127.0.0.1", options.port, limit=2**24)
    print("listening on", options.port, flush=True)  # noqa: T201 -- whoever started it waits for this line
    await stop.wait()
    server.close()


if __name__ == "__main__":
    asyncio.run(main())
