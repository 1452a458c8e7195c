"""The lock of an installation: the one `stile up` holds it, or a command for which Stile must be stopped."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager

from stile.home import Home


@contextmanager
def held(home: Home, refusal: Exception) -> Iterator[None]:
    """Hold the lock during the block.

    Raises:
        ``refusal``: another process holds it.
    """
    home.folder.mkdir(parents=True, exist_ok=True)
    with home.lock.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise refusal from error
        yield
