"""Reads CHAT_LOG in batches (NATS's ADR-31): no consumer is made, and the console may not make one."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import nats.errors
from nats.aio.client import Client
from pydantic import ValidationError

from stile_contracts import subjects
from stile_contracts.messages import LogRecord

BATCH = 1000
REPLY_SECONDS = 5.0
"""Between two messages of a batch."""

_SUBJECT = f"$JS.API.DIRECT.GET.{subjects.LOG_STREAM}"
_END_OF_BATCH = "204"
_NOT_FOUND = "404"


async def read(client: Client, since: float) -> AsyncIterator[LogRecord]:
    """Return the records, oldest first; one that this version can't read is left out.

    Args:
        client: connected as ``console``.
        since: seconds since the Unix epoch.

    Raises:
        nats.errors.Error: the stream does not answer.
    """
    start = datetime.fromtimestamp(since, UTC).isoformat().replace("+00:00", "Z")
    position: dict[str, Any] = {"start_time": start}
    while position:
        inbox = client.new_inbox()
        subscription = await client.subscribe(inbox)
        try:
            asked = {"batch": BATCH, "next_by_subj": subjects.LOG, **position}
            await client.publish(_SUBJECT, json.dumps(asked).encode(), reply=inbox)
            position = {}
            while True:
                message = await subscription.next_msg(REPLY_SECONDS)
                headers = message.headers or {}
                status = headers.get("Status")
                if status in {_END_OF_BATCH, _NOT_FOUND}:
                    break
                if status is not None:
                    raise nats.errors.Error(f"the log does not answer: {headers.get('Description', status)}")
                position = {"seq": int(headers["Nats-Sequence"]) + 1}
                if (record := parsed(message.data)) is not None:
                    yield record
            if status == _NOT_FOUND or headers.get("Nats-Num-Pending") == "0":
                return
        finally:
            await subscription.unsubscribe()
        await asyncio.sleep(0)


def parsed(body: bytes) -> LogRecord | None:
    """Return a record; None if it is none that this version can read."""
    try:
        return LogRecord.model_validate_json(body)
    except ValidationError:
        return None
