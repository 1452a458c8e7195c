"""Runs the llama.cpp HTTP server that xllamacpp carries, with the flags of ``llama-server`` that Stile uses.

    python -m stile.models.llama_server --model FILE --alias NAME --host 127.0.0.1 --port 11434 …

It prints a line when it listens, and ends on SIGTERM or SIGINT.
"""

import argparse
import os
import signal
import sys
from pathlib import Path
from types import FrameType

import xllamacpp


def parameters(arguments: argparse.Namespace) -> xllamacpp.CommonParams:
    """Translate the flags."""
    params = xllamacpp.CommonParams()
    params.model.path = str(arguments.model)
    params.model_alias = {arguments.alias}
    params.hostnames = [arguments.host]
    params.port = arguments.port
    params.n_parallel = arguments.parallel
    params.n_ctx = arguments.ctx_size
    params.cpuparams.n_threads = arguments.threads
    params.slot_prompt_similarity = arguments.slot_prompt_similarity
    params.cache_ram_mib = int(os.environ.get("LLAMA_ARG_CACHE_RAM", "256"))
    params.cache_type_k = _type("LLAMA_ARG_CACHE_TYPE_K")
    params.cache_type_v = _type("LLAMA_ARG_CACHE_TYPE_V")
    params.endpoint_metrics = True
    params.endpoint_slots = True
    if arguments.api_key_file:
        params.api_keys = [arguments.api_key_file.read_text().strip()]
    # Of no use to a page of some other site: it has no key either, which keeps its blind requests
    # out.
    params.cors_origins = "http://localhost"
    params.ui = False
    return params


def _type(variable: str) -> xllamacpp.ggml_type:
    """Return how keys or values are stored, as a variable of llama-server says."""
    wanted = os.environ.get(variable) or "f16"
    try:
        return xllamacpp.ggml_type[f"GGML_TYPE_{wanted.upper()}"]
    except KeyError:
        sys.exit(f"{variable}={wanted}: llama.cpp has no such type")


def main() -> None:
    """Serve until told to end."""
    parser = argparse.ArgumentParser(prog="stile.models.llama_server", description=__doc__.splitlines()[0])
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--alias", required=True)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=11434)
    parser.add_argument("--parallel", type=int, default=1)
    parser.add_argument("--ctx-size", type=int, default=4096)
    parser.add_argument("--slot-prompt-similarity", type=float, default=0.1)
    parser.add_argument("--api-key-file", type=Path, help="holds the key that each request must have")
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _end)
    try:
        server = xllamacpp.Server(parameters(arguments))
    except RuntimeError as error:
        sys.exit(f"llama.cpp does not start with {arguments.model}: {error}")
    sys.stdout.write(f"listening on {server.listening_address}\n")
    sys.stdout.flush()
    while True:
        signal.pause()


def _end(_number: int, _frame: FrameType | None) -> None:
    # At once: the server's own end waits for the answer it is writing, and may wait for ever.
    os._exit(0)


if __name__ == "__main__":
    main()
