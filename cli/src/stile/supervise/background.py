"""`stile up -d`: a `stile up` that outlives the terminal, started and watched until it is ready."""

import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import typer

from stile.errors import PartError
from stile.home import Home
from stile.supervise.programs import program
from stile_runtime.installation import state

_LOOK_SECONDS = 0.1
_STOP_SECONDS = 60.0


def start(home: Home) -> None:
    """Start everything in the background, show what it says, and return when it is ready.

    Raises:
        PartError: it ended before that; what it said is shown.
        SystemExit: Ctrl-C; it is stopped again, and the code is 130.
    """
    home.logs.mkdir(parents=True, exist_ok=True)
    # Its owner's alone: a link that opens the console is in it. Another `up -d` may be at it as well.
    descriptor, name = tempfile.mkstemp(prefix=".up.log.", dir=home.logs)
    draft = Path(name)
    with os.fdopen(descriptor, "wb") as log:
        up = subprocess.Popen(
            [program("stile"), "up", "--detached"],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    shown = 0
    try:
        while not _is_ready(home, up.pid):
            code = up.poll()
            shown = _show(draft, shown)
            if code is not None:
                raise PartError("Stile did not start: what it said is above")
            time.sleep(_LOOK_SECONDS)
    except KeyboardInterrupt:
        up.send_signal(signal.SIGTERM)
        up.wait(_STOP_SECONDS)
        sys.exit(128 + signal.SIGINT)
    finally:
        _show(draft, shown)
        if up.poll() is None:
            draft.replace(home.up_log)
        else:
            draft.unlink()
    typer.echo(f"It runs in the background (pid {up.pid}). Its logs are in {home.logs}: `stile logs -f`.")


def _is_ready(home: Home, pid: int) -> bool:
    running = state.read(home.state)
    return running is not None and running.pid == pid and running.ready


def _show(log: Path, begin: int) -> int:
    """Write what the log has from ``begin`` on; return its length."""
    with log.open("rb") as file:
        file.seek(begin)
        text = file.read()
    sys.stdout.write(text.decode(errors="replace"))
    sys.stdout.flush()
    return begin + len(text)
