"""Structured logs on standard error: a constant event, key-values, no text of a request."""

import logging
import sys
from typing import Literal

import structlog


def configure(level: str, form: Literal["text", "json"]) -> None:
    """Set up structlog for this process."""
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _renderer(form),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )


def _renderer(form: Literal["text", "json"]) -> structlog.typing.Processor:
    if form == "json":
        return structlog.processors.JSONRenderer()
    if sys.stderr.isatty():
        return structlog.dev.ConsoleRenderer()
    return structlog.processors.LogfmtRenderer(key_order=("timestamp", "level", "event"))
