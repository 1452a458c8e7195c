"""Exports the schemas and the table of errors: ``python -m stile_contracts.export CONTRACTS``."""

import json
import sys
from pathlib import Path

from pydantic import BaseModel

from stile_contracts import messages
from stile_contracts.errors import ERRORS

MESSAGES: dict[str, type[BaseModel]] = {
    "request": messages.ChatRequest,
    "approved": messages.ApprovedChat,
    "reply": messages.Reply,
    "error": messages.ErrorReply,
    "accepted": messages.AcceptedEvent,
    "position": messages.PositionEvent,
    "started": messages.StartedEvent,
    "token": messages.TokenEvent,
    "heartbeat": messages.Heartbeat,
    "answer_check": messages.AnswerCheck,
    "answer_verdict": messages.AnswerVerdict,
    "cancel_receipt": messages.CancelReceipt,
    "log_record": messages.LogRecord,
    "verdict_request": messages.VerdictRequest,
    "policy_verdict": messages.PolicyVerdict,
    "queue_listing": messages.QueueListing,
    "cancel_request": messages.CancelRequest,
    "hold_state": messages.HoldState,
}
"""Every message, by the name of its schema and of its fixtures' folder."""


def schema(name: str) -> str:
    """Return the JSON Schema of the message ``name`` as text. It is the same every time."""
    return json.dumps(MESSAGES[name].model_json_schema(), indent=2, sort_keys=True) + "\n"


def error_table() -> str:
    """Return the table of errors as text: each code's HTTP status and finality."""
    table = {code: {"status": kind.status, "final": kind.final} for code, kind in ERRORS.items()}
    return json.dumps(table, indent=2) + "\n"


def main(contracts: Path) -> None:
    """Write every schema, and the table of errors with which the worker compares its own."""
    for name in MESSAGES:
        (contracts / "schemas" / "v1" / f"{name}.json").write_text(schema(name))
    (contracts / "fixtures" / "v1" / "errors.json").write_text(error_table())


if __name__ == "__main__":
    main(Path(sys.argv[1]))
