"""Becomes another program, one that ends with the process that started it.

    python -I -S child.py PARENT_PID PROGRAM ARGUMENT…

A supervisor that is killed with SIGKILL can stop nothing; on Linux the kernel does it instead
(``PR_SET_PDEATHSIG``, prctl(2)). It is asked for here, in the child and between two execs, because a
`preexec_fn` may deadlock if the parent has threads. Only the standard library is used, and little of it.
"""

import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def main() -> None:
    """Take the program's place; the process id stays."""
    parent, *argv = sys.argv[1:]
    if sys.platform == "linux":
        import ctypes  # noqa: PLC0415 -- 10 ms that other systems need not pay

        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != int(parent):
            sys.exit("the process that started this one is gone")
    try:
        os.execv(argv[0], argv)  # noqa: S606 -- starting a program is what this is for
    except OSError as error:
        sys.exit(f"{argv[0]}: {error.strerror}")


if __name__ == "__main__":
    main()
