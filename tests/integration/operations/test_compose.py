"""The scripts of docker-compose.yml without Docker: how llama.cpp gets its model and its settings."""

import os
import re
import subprocess
from pathlib import Path

import pytest
import yaml

from harness.models.gguf import write
from harness.processes.process import BIN

ROOT = Path(__file__).parents[3]
HEADER = {"general.architecture": "llama", "general.name": "Own Model"}
KNOWS = "--slot-prompt-similarity SIMILARITY"


class Compose:
    """The services `models` and `llama-cpp`, with folders of the test in the place of their volumes."""

    def __init__(self, folder) -> None:
        self._folder = folder
        self.models = folder / "models"
        self.models.mkdir()
        self.variables = folder / "variables"
        self.variables.mkdir()
        (folder / "llama.key").write_text("key")
        self._services = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
        programs = folder / "bin"
        programs.mkdir()
        # Becoming another user is Docker's part.
        self._program(
            programs / "setpriv",
            'while [ "${1#--}" != "$1" ]; do case $1 in --re*) shift;; esac; shift; done\n"$@"',
        )

    def llama_server(self, *, flags=KNOWS):
        """Write a llama-server that notes how it was called, and ends."""
        note = f'env >{self._folder}/env; echo "$@" >{self._folder}/arguments; exit 1'
        self._program(
            self._folder / "llama-server", f'[ "$1" != --help ] || {{ echo "{flags}"; exit; }}\n{note}'
        )

    def run(self, name, **changed):
        """Run a service's script as its container does; return its code and what it printed."""
        service = self._services[name]
        command = [*service["entrypoint"], *service["command"]]
        paths = {
            "/run/stile-variables": str(self.variables),
            "/run/stile-model": str(self._folder),
            "/app/": f"{self._folder}/",
            "/tmp/": f"{self._folder}/",  # noqa: S108 -- the container's own
        }
        inside = re.compile("|".join(map(re.escape, paths)))
        argv = [inside.sub(lambda found: paths[found[0]], _interpolated(word, changed)) for word in command]
        given = {key: _interpolated(value, changed) for key, value in service["environment"].items() if value}
        given |= {"STILE_MODELS_DIR": str(self.models), "STILE_ROOT": str(ROOT), "HOME": str(self._folder)}
        given |= {
            key: changed[key] for key, value in service["environment"].items() if not value and key in changed
        }
        path = f"{self._folder}/bin:{BIN}:{os.environ['PATH']}"
        done = subprocess.run(
            argv, env={"PATH": path, **given}, capture_output=True, text=True, timeout=120, check=False
        )
        return done.returncode, done.stdout + done.stderr

    def told(self):
        """Return llama-server's variables and its arguments."""
        lines = (self._folder / "env").read_text().splitlines()
        arguments = (self._folder / "arguments").read_text().strip()
        return dict(line.split("=", 1) for line in lines if line.startswith("LLAMA_")), arguments

    def environment(self):
        """Return all of llama-server's variables, as text."""
        return (self._folder / "env").read_text()

    def _program(self, path, script):
        path.write_text(f"#!/bin/bash\n{script}\n")
        path.chmod(0o755)


def _interpolated(text, values):
    """Replace `${NAME:-default}` from the inside out, then `$$`, as Compose does."""
    while found := re.search(r"(?<!\$)\$\{(\w+):-([^${}]*)\}", text):
        text = text.replace(found[0], values.get(found[1]) or found[2])
    return text.replace("$$", "$")


@pytest.fixture
def compose(tmp_path):
    """Both services, and a llama-server of today."""
    compose = Compose(tmp_path)
    compose.llama_server()
    return compose


def test_a_file_of_the_models_folder_is_run(compose):
    """Under its own name, with a prompt cache below the memory limit; the list need not be in that folder."""
    write(compose.models / "own.gguf", HEADER)
    code, said = compose.run("models", STILE_MODEL="own.gguf", STILE_MODEL_MEMORY="1g")
    assert code == 0, said
    code, said = compose.run("llama-cpp", STILE_CONTEXT="2048", STILE_THREADS="3")
    variables, arguments = compose.told()
    assert 64 <= int(variables.pop("LLAMA_ARG_CACHE_RAM")) <= 768
    assert variables == {
        "LLAMA_ARG_MODEL": "/models/own.gguf",
        "LLAMA_ARG_ALIAS": "Own Model",
        "LLAMA_ARG_THREADS": "3",
        "LLAMA_API_KEY": "key",
    }
    assert arguments.endswith("--ctx-size 2048 --metrics --slots --slot-prompt-similarity 0.9")


def test_the_owners_settings_count(compose):
    """The name, and the prompt cache. A name is text, also if it looks like a command."""
    write(compose.models / "own.gguf", HEADER)
    name = 'my $(id) "model"'
    code, said = compose.run("models", STILE_MODEL="own", STILE_MODEL_NAME=name, STILE_PROMPT_CACHE="77")
    assert code == 0, said
    compose.run("llama-cpp")
    variables, _ = compose.told()
    assert (variables["LLAMA_ARG_ALIAS"], variables["LLAMA_ARG_CACHE_RAM"]) == (name, "77")
    assert "LLAMA_ARG_THREADS" not in variables


def test_no_other_variable_reaches_llama_cpp(compose):
    """The container that downloads writes the file, and must not choose what llama.cpp's container runs."""
    lines = [
        "LLAMA_ARG_ALIAS=x",
        "LD_PRELOAD=/models/x.so",
        "LLAMA_ARG_N_PREDICT=$(touch /models/x)",
        "export x=y",
    ]
    (compose.variables / "llama.env").write_text("\n".join(lines) + "\n")
    compose.run("llama-cpp")
    variables, _ = compose.told()
    assert variables == {
        "LLAMA_ARG_ALIAS": "x",
        "LLAMA_ARG_N_PREDICT": "$(touch /models/x)",
        "LLAMA_API_KEY": "key",
    }
    assert "LD_PRELOAD" not in compose.environment()


def test_a_llama_server_without_the_flag_starts(compose):
    """An unknown flag would end it."""
    write(compose.models / "own.gguf", HEADER)
    compose.llama_server(flags="--slots")
    assert compose.run("models", STILE_MODEL="own")[0] == 0
    compose.run("llama-cpp")
    assert compose.told()[1].endswith("--slots")


@pytest.mark.parametrize("model", ["nothing.gguf", "/home/ada/x.gguf", "x"])
def test_a_model_that_is_nowhere_stops_the_start(compose, model):
    """It is named, and so is what there is."""
    code, said = compose.run("models", STILE_MODEL=model)
    assert code != 0
    assert model in said
    assert "Llama-3.2-1B-Instruct-Q4_K_M" in said
    assert list(compose.variables.iterdir()) == []
