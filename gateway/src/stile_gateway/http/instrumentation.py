"""The spans of HTTP requests, by OpenTelemetry's own instrumentation of FastAPI."""

from fastapi import FastAPI


def instrument(app: FastAPI) -> None:
    """Have each HTTP request but the probes make a span; it continues the client's trace.

    A stream makes one span, not one for each piece that is sent.
    """
    from opentelemetry.instrumentation.fastapi import FastAPIInstrumentor  # noqa: PLC0415 -- only if it is wanted

    FastAPIInstrumentor.instrument_app(
        app, excluded_urls="/healthz$,/readyz$,/metrics$", exclude_spans=["receive", "send"]
    )
