"""The records of the last days: the newest themselves, and counts of all of them."""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from stile_contracts.messages import LogRecord

DAYS = 7
"""Today is one of them. Older records are in the log for ``stile refusals`` and ``stile usage``."""
NEWEST = 5000
"""Records in memory: about 6 MB."""


@dataclass
class Use:
    """What a client has used in some time."""

    requests: int = 0
    refused: int = 0
    tokens: int = 0
    """Of prompts and answers."""

    def add(self, other: "Use", times: int = 1) -> None:
        """Count something else in, or with ``times`` -1 out."""
        self.requests += times * other.requests
        self.refused += times * other.refused
        self.tokens += times * other.tokens


class Records:
    """Takes in records in any order; the second record of a request replaces the first.

    One thread adds records, and others read.

    Args:
        clock: seconds since the Unix epoch.
    """

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._newest: OrderedDict[str, LogRecord] = OrderedDict()
        self._use: dict[date, dict[str, Use]] = {}
        self._lock = threading.Lock()

    @property
    def since(self) -> float:
        """When the days that are counted begin, at midnight here, in seconds since the Unix epoch."""
        first = self._today() - timedelta(days=DAYS - 1)
        return datetime.combine(first, datetime.min.time()).timestamp()

    def clear(self) -> None:
        """Forget all, to read them anew."""
        with self._lock:
            self._newest.clear()
            self._use.clear()

    def add(self, record: LogRecord) -> None:
        """Take in a record."""
        with self._lock:
            self._add(record)

    def _add(self, record: LogRecord) -> None:
        name = str(record.id)
        if (before := self._newest.pop(name, None)) is not None:
            self._count(before, -1)
        self._newest[name] = record
        self._count(record, 1)
        if len(self._newest) > NEWEST:
            self._newest.popitem(last=False)
        for day in [day for day in self._use if day <= self._today() - timedelta(days=DAYS)]:
            del self._use[day]

    def newest(self) -> Iterator[LogRecord]:
        """Return the records in memory, the newest first."""
        with self._lock:
            records = list(self._newest.values())
        return iter(sorted(records, key=lambda record: record.at_ms, reverse=True))

    def use(self, days: int) -> dict[str, Use]:
        """Return what each client has used today and on the days before, ``days`` together."""
        found: dict[str, Use] = {}
        with self._lock:
            for back in range(days):
                for client, used in self._use.get(self._today() - timedelta(days=back), {}).items():
                    found.setdefault(client, Use()).add(used)
        return found

    def _count(self, record: LogRecord, times: int) -> None:
        tokens = (record.prompt_tokens or 0) + (record.answer_tokens or 0)
        used = Use(1, record.outcome == "refused", tokens)
        self._use.setdefault(day_of(record), {}).setdefault(record.client, Use()).add(used, times)

    def _today(self) -> date:
        return datetime.fromtimestamp(self._clock()).astimezone().date()


def day_of(record: LogRecord) -> date:
    """Return the day on which a request ended, in this machine's time zone."""
    return datetime.fromtimestamp(record.at_ms / 1000).astimezone().date()
