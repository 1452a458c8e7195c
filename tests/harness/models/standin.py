"""The stand-in llama.cpp as a process, and what it recorded."""

from pathlib import Path
from sys import executable
from typing import Any, Self

from harness.processes import plain_http
from harness.processes.ports import free_port
from harness.processes.process import Process
from harness.processes.wait import until

PROGRAM = Path(__file__).parents[2] / "standin" / "llama.py"


class Standin:
    """A llama.cpp of fixed speed; ``generations`` tells what it was asked.

    Args:
        folder: for its log.
        tokens: of each answer.
        token_seconds: between two tokens.
        model: what it is called.
        key: what all but its health asks for, or nothing.
        record: a file that keeps what it did, whatever ends it.
    """

    def __init__(
        self,
        folder: Path,
        *,
        tokens: int = 3,
        token_seconds: float = 0.0,
        model: str = "standin",
        key: str | None = None,
        record: Path | None = None,
    ) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._folder = folder
        self._options: tuple[str, ...] = (
            *("--tokens", str(tokens), "--token-seconds", str(token_seconds)),
            *("--model", model),
        )
        if key:
            self._options += ("--key", key)
        if record:
            self._options += ("--record", str(record))
        self.process: Process | None = None

    async def start(self) -> Self:
        """Start it (again: on its old port) and wait until it listens."""
        log = self._folder / "standin.log"
        self._said_before = len(log.read_text()) if log.exists() else 0
        self.process = Process(executable, PROGRAM, "--port", str(self.port), *self._options, log=log)
        await until(self._listens, what="the stand-in listens")
        return self

    async def log(self) -> dict[str, Any]:
        """Return its record: ``generations``, ``most_open`` at once, and ``last``, the latest request."""
        async with plain_http.client() as client:
            record: dict[str, Any] = (await client.get(f"{self.url}/standin/log")).json()
        return record

    async def speed(self, tokens: int, token_seconds: float) -> None:
        """Change its speed for the answers that begin from now on."""
        await self._post("speed", {"tokens": tokens, "token_seconds": token_seconds})

    async def says(self, *pieces: str) -> None:
        """Say what it answers from now on, a piece at a time; without pieces it echoes again."""
        await self._post("pieces", {"pieces": pieces or None})

    async def faults(self, **faults: Any) -> None:
        """Say what goes wrong next (tests/standin/llama.py)."""
        await self._post("faults", faults)

    async def tokenizes(self, mode: str | None) -> None:
        """Say how its tokenizer fails from now on (tests/standin/tokenizer.py)."""
        await self._post("tokenize", {"mode": mode})

    async def prompts(self) -> list[str]:
        """Return what it was asked to answer, in order."""
        return [generation["prompt"] for generation in (await self.log())["generations"]]

    def stop(self) -> None:
        """End it."""
        if self.process:
            self.process.stop()

    async def _post(self, what: str, body: dict[str, Any]) -> None:
        async with plain_http.client() as client:
            (await client.post(f"{self.url}/standin/{what}", json=body)).raise_for_status()

    def _listens(self) -> bool:
        return self.process is not None and "listening on" in self.process.output()[self._said_before :]
