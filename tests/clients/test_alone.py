"""Clients whose own pins contradict the workspace's, each in an environment that its script's lock pins."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from harness.models.llama import NAME
from harness.processes.process import BIN

FOLDER = Path(__file__).with_name("alone")
WITHIN = 300  # the first time, its packages are fetched


def run(script, *arguments, **variables):
    """Run a script in the environment of its lock; return what it printed."""
    argv = (BIN / "uv", "run", "--quiet", "--locked", "--no-project", "--python", sys.executable)
    ended = subprocess.run(
        [*argv, "--script", FOLDER / script, *arguments],
        env={**os.environ, **variables},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=WITHIN,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


@pytest.mark.parametrize("script", ["litellm_client.py", "openai_client.py"])
def test_an_answer_streamed_and_not(system, script):
    """LiteLLM, and openai-python's current release: the pieces are the whole, the reason is the last."""
    url = f"{system.url}/v1"
    whole = json.loads(run(script, "whole", url, NAME))
    [choice] = whole["choices"]
    assert choice["message"]["content"]
    assert whole["usage"]["completion_tokens"] > 0
    chunks = json.loads(run(script, "streamed", url, NAME))
    choices = [choice for chunk in chunks for choice in chunk["choices"]]
    assert "".join(choice["delta"]["content"] or "" for choice in choices) == choice["message"]["content"]
    assert choices[-1]["finish_reason"] == choice["finish_reason"]


@pytest.fixture
def llm(system, tmp_path):
    """The `llm` command, set up as docs/clients.md has it."""
    models = [{"model_id": "stile", "model_name": NAME, "api_base": f"{system.url}/v1"}]
    (tmp_path / "extra-openai-models.yaml").write_text(json.dumps(models))  # JSON is YAML

    def command(*arguments):
        return run("llm_client.py", *arguments, LLM_USER_PATH=str(tmp_path))

    return command


def test_the_llm_cli_streamed_and_not(llm):
    """It prints the same answer both ways, and goes on with the conversation that it has logged."""
    options = ("-m", "stile", "-o", "max_tokens", "16", "-o", "seed", "7")
    streamed = llm(*options, "Say hello.")
    assert streamed.strip()
    assert llm(*options, "--no-stream", "Say hello.") == streamed
    assert llm(*options, "--continue", "And again.").strip()
    [latest] = json.loads(llm("logs", "--json", "-n", "1"))
    assert latest["prompt"] == "And again."
