"""Spans that OpenTelemetry's SDK sends by OTLP over HTTP. Its own variables configure it."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version

from opentelemetry import propagate, trace
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, SERVICE_NAMESPACE, SERVICE_VERSION, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from stile_runtime.tracing import Kind, Value

_KINDS = {
    "internal": trace.SpanKind.INTERNAL,
    "server": trace.SpanKind.SERVER,
    "consumer": trace.SpanKind.CONSUMER,
}
_CLOSE_SECONDS = 5.0
_HEADER = "traceparent"


class OtlpSpan:
    """A span that is sent."""

    def __init__(self, span: trace.Span) -> None:
        self._span = span

    def set(self, name: str, value: Value) -> None:
        """Set an attribute."""
        self._span.set_attribute(name, value)


class OtlpTracer:
    """Makes spans, and sends them in batches from a thread of its own."""

    def __init__(self, service: str) -> None:
        attributes = {SERVICE_NAMESPACE: "stile", SERVICE_VERSION: version(service)}
        if not os.environ.get("OTEL_SERVICE_NAME"):
            attributes[SERVICE_NAME] = service
        self._provider = TracerProvider(resource=Resource.create(attributes))
        self._provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
        trace.set_tracer_provider(self._provider)
        propagate.set_global_textmap(TraceContextTextMapPropagator())
        self._tracer = self._provider.get_tracer("stile")

    @contextmanager
    def span(self, name: str, kind: Kind, parent: str | None, seconds: float | None) -> Iterator[OtlpSpan]:
        """Begin a span, and end it with the block."""
        began = None if seconds is None else time.time_ns() - int(seconds * 1e9)
        with self._tracer.start_as_current_span(
            name,
            context=_context(parent),
            kind=_KINDS[kind],
            start_time=began,
            record_exception=False,  # its message may quote the request
            set_status_on_exception=False,
        ) as span:
            try:
                yield OtlpSpan(span)
            except Exception as error:
                span.set_attribute("error.type", str(getattr(error, "code", type(error).__name__)))
                span.set_status(trace.StatusCode.ERROR)
                raise

    def note(self, name: str, value: Value) -> None:
        """Set an attribute of the current span."""
        trace.get_current_span().set_attribute(name, value)

    def traceparent(self) -> str | None:
        """Return the current span's context."""
        carrier: dict[str, str] = {}
        propagate.inject(carrier)
        return carrier.get(_HEADER)

    def close(self) -> None:
        """Send what is left, and send nothing more."""
        self._provider.force_flush(int(_CLOSE_SECONDS * 1000))
        self._provider.shutdown()


def _context(parent: str | None) -> Context | None:
    return None if parent is None else propagate.extract({_HEADER: parent}, Context())
