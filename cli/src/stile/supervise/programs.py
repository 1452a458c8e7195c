"""Where the parts' programs are."""

import shutil
import sys
from pathlib import Path

from stile.errors import PartError


def program(name: str) -> str:
    """Find a program: beside this Python, as the environment has it, else on PATH.

    Raises:
        PartError: it is nowhere.
    """
    beside = Path(sys.executable).parent / name
    found = str(beside) if beside.is_file() else shutil.which(name)
    if found is None:
        raise PartError(f"the program {name} isn't there: run `make install`, or install the package `stile`")
    return str(Path(found).absolute())
