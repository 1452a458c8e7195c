"""Structured logs on stderr: a constant event and key-values; no text of a request, no secret."""

import logging
import os
import sys

import structlog
from structlog.typing import Processor

from stile_runtime.settings import ServiceSettings
from stile_runtime.variables import unknown


def configure(settings: ServiceSettings) -> None:
    """Send the service's own logs and those of its libraries through one renderer."""
    level = logging.getLevelNamesMapping()[settings.log_level.upper()]
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    renderer = _renderer(settings)
    structlog.configure(
        processors=[*shared, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_logger_name, *shared],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    logging.basicConfig(level=level, handlers=[handler], force=True)
    logging.getLogger("nats").setLevel(logging.CRITICAL)  # ``connection`` logs its errors
    for sentence in unknown(os.environ):
        structlog.get_logger().warning("variable_unknown", reason=sentence)


def _renderer(settings: ServiceSettings) -> Processor:
    if settings.log_format == "json":
        return structlog.processors.JSONRenderer()
    if sys.stderr.isatty():
        return structlog.dev.ConsoleRenderer()
    # https://brandur.org/logfmt, at a fifth of what the console's colours and columns cost
    return structlog.processors.LogfmtRenderer(key_order=("timestamp", "level", "event"))
