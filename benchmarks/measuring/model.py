"""The model of ``model_server.py`` as a process."""

import sys
from pathlib import Path
from typing import Self

import httpx

from harness.models.standin import Standin
from harness.processes.ports import free_port
from harness.processes.process import Process
from harness.processes.wait import until

_PROGRAM = Path(__file__).with_name("model_server.py")


class Model(Standin):
    """A model of fixed speed that costs nearly nothing.

    Args:
        folder: for its log.
        tokens: of each answer.
        token_seconds: between two tokens; with 0 an answer is sent whole, at once.
    """

    def __init__(self, folder: Path, *, tokens: int = 1, token_seconds: float = 0.0) -> None:
        super().__init__(folder, tokens=tokens, token_seconds=token_seconds)
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._log = folder / f"model-{self.port}.log"
        self._options = ("--tokens", str(tokens), "--token-seconds", str(token_seconds))

    async def start(self) -> Self:
        """Start it and wait until it listens."""
        self.process = process = Process(
            sys.executable, _PROGRAM, "--port", str(self.port), *self._options, log=self._log
        )
        await until(lambda: "listening on" in process.output(), what="the model listens")
        return self

    async def record(self) -> list[tuple[float, float]]:
        """Return when each answer began and ended, in seconds of the monotonic clock."""
        async with httpx.AsyncClient(trust_env=False) as http:
            return [(began, ended) for began, ended in (await http.get(f"{self.url}/record")).json()]
