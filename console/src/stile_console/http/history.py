"""``/api/history``: what happened; facts, never a text."""

from datetime import date
from itertools import islice
from typing import Annotated

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel

from stile_console.history.records import day_of
from stile_console.http.dependencies import services_of
from stile_contracts.messages import LogRecord

SHOWN = 200

router = APIRouter(prefix="/api")


class History(BaseModel):
    """The newest records that fit."""

    records: list[LogRecord]
    has_more: bool
    """Whether older ones fit too."""
    clients: list[str]
    rules: list[str]
    days: list[date]
    """What can be asked for, newest day first."""


@router.get("/history", response_model_exclude_none=True)
def history(
    request: Request,
    client: Annotated[str | None, Query(max_length=64)] = None,
    rule: Annotated[str | None, Query(max_length=200)] = None,
    day: date | None = None,
    outcome: Annotated[str | None, Query(max_length=64)] = None,
) -> History:
    """Return the newest records of a client, rule, day or outcome."""
    records = list(services_of(request).records.newest())
    fitting = (
        record
        for record in records
        if client in (None, record.client)
        and rule in (None, record.rule)
        and outcome in (None, record.outcome)
        and day in (None, day_of(record))
    )
    shown = list(islice(fitting, SHOWN))
    return History(
        records=shown,
        has_more=next(fitting, None) is not None,
        clients=sorted({record.client for record in records}),
        rules=sorted({record.rule for record in records if record.rule}),
        days=sorted({day_of(record) for record in records}, reverse=True),
    )
