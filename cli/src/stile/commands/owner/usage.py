"""`stile usage`: how much each client has used, today and in the last seven days."""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from stile.commands.options import NatsUrl
from stile.commands.owner.options import Seed
from stile.nats import console
from stile.shell import listing
from stile_contracts.messages import LogRecord

WEEK_DAYS = 7


def usage(*, as_json: listing.AsJson = False, nats_url: NatsUrl = None, nkey_file: Seed = None) -> None:
    """Show each client's requests, refusals, tokens and seconds of the model: today, and in seven days.

    Today begins at midnight, by this machine's time. Tokens are those of answers that came to their
    end, as llama.cpp counts them.
    """
    midnight = datetime.now().astimezone().replace(hour=0, minute=0, second=0, microsecond=0)
    week_ms = _ms(midnight - timedelta(days=WEEK_DAYS - 1))
    found = asyncio.run(_records(nats_url, nkey_file, week_ms))
    listing.show(rows(found, _ms(midnight)), as_json=as_json, empty="No requests in seven days.")


@dataclass
class _Use:
    """What one client has used in a time."""

    requests: int = 0
    refused: int = 0
    tokens: int = 0
    seconds: float = 0.0

    def add(self, record: LogRecord) -> None:
        self.requests += 1
        self.refused += record.outcome == "refused"
        self.tokens += (record.prompt_tokens or 0) + (record.answer_tokens or 0)
        self.seconds += record.answer_seconds or 0.0

    def columns(self, period: str) -> dict[str, int | float]:
        return {
            f"requests_{period}": self.requests,
            f"refused_{period}": self.refused,
            f"tokens_{period}": self.tokens,
            f"seconds_{period}": round(self.seconds, 1),
        }


@dataclass
class _Client:
    today: _Use = field(default_factory=_Use)
    week: _Use = field(default_factory=_Use)


def rows(records: Iterable[LogRecord], midnight_ms: int) -> list[listing.Row]:
    """Add up the records of seven days, a row for each client, by name."""
    clients: dict[str, _Client] = {}
    for record in records:
        used = clients.setdefault(record.client, _Client())
        used.week.add(record)
        if record.at_ms >= midnight_ms:
            used.today.add(record)
    return [
        {"client": name, **used.today.columns("today"), **used.week.columns("week")}
        for name, used in sorted(clients.items())
    ]


async def _records(nats_url: str | None, nkey_file: Path | None, since_ms: int) -> list[LogRecord]:
    async with console.connect(nats_url, nkey_file) as asked:
        return [record async for record in asked.records(since_ms)]


def _ms(at: datetime) -> int:
    return int(at.timestamp() * 1000)
