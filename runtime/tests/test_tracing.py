"""Traces: when they are wanted, and what a span does while they are not."""

import pytest

from stile_runtime import tracing

ENDPOINT = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318"}


@pytest.mark.parametrize(
    ("environment", "wanted"),
    [
        ({}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": ""}, False),
        (ENDPOINT, True),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://127.0.0.1:4318/v1/traces"}, True),
        (ENDPOINT | {"OTEL_SDK_DISABLED": "True"}, False),
        (ENDPOINT | {"OTEL_SDK_DISABLED": "false"}, True),
        (ENDPOINT | {"OTEL_TRACES_EXPORTER": "none"}, False),
        (ENDPOINT | {"OTEL_TRACES_EXPORTER": "otlp"}, True),
    ],
)
def test_a_receiver_must_be_named(environment: dict[str, str], *, wanted: bool) -> None:
    assert tracing.is_wanted(environment) is wanted


def test_while_it_is_off_spans_do_nothing() -> None:
    """Also inside each other, and when the work fails."""
    with (
        tracing.span("outer", kind="consumer", parent="00-1-2-01") as outer,
        tracing.span("inner", seconds=1),
    ):
        outer.set("name", "value")
        tracing.note("name", 1)
    assert tracing.traceparent() is None
    with pytest.raises(ZeroDivisionError), tracing.span("failing"):
        raise ZeroDivisionError
