"""The commands of the pages for a beginning are run as they stand there, but for those listed below."""

import asyncio
import os
import re

import pytest

from harness.models.standin import Standin
from harness.pages import ROOT, lines_of
from harness.parts.policies import unscanned
from harness.parts.up import STILE, Up

PAGES = [
    ROOT / "README.md",
    *(ROOT / "docs" / "start" / f"{name}.md" for name in ("home", "several-machines", "troubleshooting")),
    ROOT / "docs" / "start" / "sensors.md",
    ROOT / "docs" / "start" / "class.md",
]
NOT_RUN = re.compile(
    r"^((STILE_\w+=\S+ )*make |git |nats |docker |llama-server |STILE_NATS_URL=)|models pull"
)
"""What starts Stile or compiles it, downloads a model, or needs a program that Stile does not bring."""
WITHIN = 120.0


@pytest.fixture
async def up(tmp_path):
    """Everything but scanners, before a stand-in model that is quick; started and ready."""
    standin = await Standin(tmp_path, tokens=3, token_seconds=0).start()
    up = await Up(tmp_path, STILE_LLAMA_URL=standin.url, **unscanned(tmp_path)).start().ready()
    yield up
    await asyncio.to_thread(up.process.stop, 90)
    standin.stop()


def here(line, up):
    """Put this installation in the place of the one that the pages have."""
    line = line.replace(".venv/bin/stile", str(STILE))
    line = line.replace("127.0.0.1:8000", f"127.0.0.1:{up.ports['PORT']}")
    line = line.replace("curl -s ", "curl -s --fail-with-body ")
    line = re.sub(r"(^|\s)\.stile/", rf"\1{up.home}/", line)
    return line.replace("~/", f"{up.home}/")


async def test_the_commands_of_the_pages_work(up, tmp_path):
    """Each ends well, in the order of the pages; first those over HTTP, as later ones make keys."""
    (await up.ask("what the fuck")).raise_for_status()  # a refusal, which a page looks for
    lines = list(dict.fromkeys(line for page in PAGES for line in lines_of(page) if not NOT_RUN.search(line)))
    lines.sort(key=lambda line: not line.startswith("curl "))
    assert len(lines) > 15
    environment = {**os.environ, **up.environment, "NO_COLOR": "1"}
    for line in lines:
        command = here(line, up).replace("--sheet keys.html", f"--sheet {tmp_path}/keys.html")
        process = await asyncio.create_subprocess_exec(
            *("bash", "-c", f"set -o pipefail; {command}"),
            cwd=ROOT,
            env=environment,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        said, _ = await asyncio.wait_for(process.communicate(), WITHIN)
        assert process.returncode == 0, (line, said.decode())
    sheet = (tmp_path / "keys.html").read_text()
    assert all(f"pupil-{number:02}" in sheet for number in range(1, 31))
