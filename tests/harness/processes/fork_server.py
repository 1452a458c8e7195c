"""Starts a Python program by a fork of a process that has imported it already.

Most of the second that a gateway or a filter takes to start is spent on imports, and it is the same for each
of the hundreds of processes that the tests start. The fork has its own memory, environment, log and process
id, and runs the same function as the installed program.

    fork_server.serve()  # from now on Process uses it
    fork_server.close()
"""

import gc
import importlib
import importlib.metadata
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NoReturn

_PROGRAMS = {"stile-gateway", "stile-filter"}
_IMPORTED_LATER = {"stile-gateway": ("stile_gateway.app",), "stile-filter": ("stile_filter.app",)}
"""What a program imports when its ``main`` is called."""
_LARGEST = 2**20
"""Bytes of a request: it holds an environment."""
_PAUSE_SECONDS = 0.01


class Forked:
    """A process that was started so; it has what ``Process`` uses of ``subprocess.Popen``."""

    def __init__(self, server: "_Server", pid: int) -> None:
        self.pid = pid
        self._server = server
        self._code: int | None = None

    def poll(self) -> int | None:
        """Return how it ended (negative: by which signal), or None while it runs."""
        if self._code is None:
            self._code = self._server.ask({"exit_code": self.pid})
        return self._code

    def wait(self, timeout: float | None = None) -> int:
        """Wait until it has ended.

        Raises:
            subprocess.TimeoutExpired: it runs after ``timeout`` seconds.
        """
        until = time.monotonic() + timeout if timeout is not None else None
        while (code := self.poll()) is None:
            if until is not None and time.monotonic() > until:
                raise subprocess.TimeoutExpired(str(self.pid), timeout or 0)
            time.sleep(_PAUSE_SECONDS)
        return code

    def send_signal(self, number: signal.Signals) -> None:
        """Send it a signal, unless it has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        """Ask it to end."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """End it at once."""
        self.send_signal(signal.SIGKILL)


class _Server:
    """The process that forks, of one program."""

    def __init__(self, program: str) -> None:
        self._lock = threading.Lock()
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        for end in (self._control, theirs):
            end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _LARGEST)
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-P", __file__, program, str(theirs.fileno()), str(os.getpid())],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                start_new_session=True,
            )

    def ask(self, request: dict[str, Any]) -> Any:
        with self._lock:
            self._control.send(json.dumps(request).encode())
            return json.loads(self._control.recv(_LARGEST))

    def close(self) -> None:
        self._control.close()
        self._process.wait()


_servers: dict[str, _Server] | None = None


def serve() -> None:
    """Have the programs started by forks from now on."""
    global _servers  # noqa: PLW0603 -- one for all tests of a run
    _servers = {}


def close() -> None:
    """End the servers, and what they have started."""
    global _servers  # noqa: PLW0603
    for server in (_servers or {}).values():
        server.close()
    _servers = None


def start(argv: list[str], log: Path, env: Mapping[str, str], cwd: Path | None) -> Forked | None:
    """Start ``argv`` if it is one of the programs and there is a server; else return None."""
    program = Path(argv[0]).name
    if _servers is None or program not in _PROGRAMS:
        return None
    if program not in _servers:
        _servers[program] = _Server(program)
    server = _servers[program]
    request = {"argv": argv, "log": str(log), "env": dict(env), "cwd": str(cwd or Path.cwd())}
    return Forked(server, server.ask(request))


def _end_with(parent: int) -> None:
    """Have the kernel end this process when its parent ends (as ``stile.child`` does)."""
    import ctypes  # noqa: PLC0415 -- only the server needs it

    pr_set_pdeathsig = 1
    ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


def _become(request: dict[str, Any], server: int) -> None:
    """Be a new process as far as a program can tell."""
    _end_with(server)
    os.setsid()
    log = os.open(request["log"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    for stream in (1, 2):
        os.dup2(log, stream)
    os.close(log)
    os.environ.clear()
    os.environ.update(request["env"])
    os.chdir(request["cwd"])
    sys.argv = request["argv"]
    sys.path[1:1] = filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))


def _run(program: Callable[[], object]) -> NoReturn:
    """Run it and end as the interpreter does, but for its own clean-up, which takes 0.3 s."""
    code = 0
    try:
        program()
    except SystemExit as end:
        if isinstance(end.code, str):
            sys.stderr.write(f"{end.code}\n")
        code = 1 if isinstance(end.code, str) else end.code or 0
    except BaseException:  # noqa: BLE001 -- the interpreter does the same with what nobody caught
        traceback.print_exc()
        code = 1
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit(code)


def main() -> None:
    """Import the program; then start and watch processes until the tests end."""
    program, descriptor, parent = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    _end_with(parent)
    (entry,) = importlib.metadata.entry_points(group="console_scripts", name=program)
    run = entry.load()
    for module in _IMPORTED_LATER.get(program, ()):
        importlib.import_module(module)
    if len(list(Path("/proc/self/task").iterdir())) > 1:
        sys.exit(f"{program} starts threads when it is imported: it cannot be forked")
    gc.freeze()
    control = socket.socket(fileno=descriptor)
    codes: dict[int, int] = {}
    while asked := control.recv(_LARGEST):
        request = json.loads(asked)
        if pid := request.get("exit_code"):
            if pid not in codes:
                ended, status = os.waitpid(pid, os.WNOHANG)
                if ended:
                    codes[pid] = os.waitstatus_to_exitcode(status)
            answer = codes.get(pid)
        else:
            server = os.getpid()
            answer = os.fork()
            if answer == 0:
                control.close()
                _become(request, server)
                _run(run)
        control.send(json.dumps(answer).encode())


if __name__ == "__main__":
    main()
