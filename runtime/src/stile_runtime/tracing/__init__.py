"""Traces by OpenTelemetry: off, and not loaded, unless a standard variable names a receiver.

A module writes ``with tracing.span("keywords"):``, as it would write to a log. ``start`` decides once, at
the start of the process, what becomes of it. No span has a text of a request or an answer.
"""

import os
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Literal, Protocol

Value = str | int | float | bool
Kind = Literal["internal", "server", "consumer"]

# https://opentelemetry.io/docs/specs/otel/protocol/exporter/ and .../configuration/sdk-environment-variables/
_RECEIVERS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")


class Span(Protocol):
    """A piece of work that a trace shows."""

    def set(self, name: str, value: Value) -> None:
        """Set an attribute."""
        ...


class Tracer(Protocol):
    """Makes spans."""

    def span(
        self, name: str, kind: Kind, parent: str | None, seconds: float | None
    ) -> AbstractContextManager[Span]:
        """Begin a span."""
        ...

    def note(self, name: str, value: Value) -> None:
        """Set an attribute of the current span."""
        ...

    def traceparent(self) -> str | None:
        """Return the current span's context."""
        ...


class _NoSpan:
    def set(self, name: str, value: Value) -> None:
        """Drop it."""


class _NoTracer:
    _none: AbstractContextManager[Span] = nullcontext(_NoSpan())

    def span(
        self, name: str, kind: Kind, parent: str | None, seconds: float | None
    ) -> AbstractContextManager[Span]:
        """Do nothing."""
        del name, kind, parent, seconds
        return self._none

    def note(self, name: str, value: Value) -> None:
        """Do nothing."""
        del name, value

    def traceparent(self) -> str | None:
        """Return nothing."""
        return None


_tracer: Tracer = _NoTracer()


def is_wanted(environment: Mapping[str, str] = os.environ) -> bool:
    """Tell whether OpenTelemetry's variables ask for traces."""
    if environment.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return False
    if environment.get("OTEL_TRACES_EXPORTER", "").strip().lower() == "none":
        return False
    return any(environment.get(name) for name in _RECEIVERS)


def start(service: str) -> Callable[[], None]:
    """Send the spans of this process to the receiver, if there is one.

    Args:
        service: the name of the part, such as ``stile-filter``.

    Returns:
        what sends the last spans at the end of the process. It waits for at most five seconds.
    """
    global _tracer  # noqa: PLW0603 -- one for the process, like the configuration of its logs
    if not is_wanted():
        return lambda: None
    from stile_runtime.tracing.otlp import OtlpTracer  # noqa: PLC0415 -- 7 MB and 0.2 s, only if it is wanted

    tracer = OtlpTracer(service)
    _tracer = tracer
    return tracer.close


def span(
    name: str, *, kind: Kind = "internal", parent: str | None = None, seconds: float | None = None
) -> AbstractContextManager[Span]:
    """Begin a span that ends with the ``with`` block; spans that begin inside are its children.

    Args:
        name: constant, so that equal work has equal names.
        kind: as OpenTelemetry defines it.
        parent: a W3C ``traceparent``; None: the current span, if there is one.
        seconds: how long work took that has ended already; None: as long as the block.
    """
    return _tracer.span(name, kind, parent, seconds)


def note(name: str, value: Value) -> None:
    """Set an attribute of the current span, if there is one."""
    _tracer.note(name, value)


def traceparent() -> str | None:
    """Return the current span's W3C ``traceparent``, for the next part; None if there is no span."""
    return _tracer.traceparent()
