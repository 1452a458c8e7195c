"""What is counted; ``GET /metrics`` shows it."""

from importlib.metadata import version

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    Info,
    PlatformCollector,
    ProcessCollector,
    generate_latest,
)

_ACCEPT_BUCKETS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2, 5, 10, 30)
_ANSWER_BUCKETS = (0.01, 0.05, 0.1, 0.5, 1, 2, 5, 10, 30, 60, 120, 300, 600, 1800)


class Metrics:
    """The gateway's metrics, in a registry of their own."""

    def __init__(self) -> None:
        registry = self._registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        PlatformCollector(registry=registry)
        build = Info("stile_gateway_build", "The version that runs.", registry=registry)
        build.info({"version": version("stile-gateway")})
        self.requests = Counter(
            "stile_gateway_requests",
            "HTTP requests that have ended.",
            ("route", "status", "code"),
            registry=registry,
        )
        self.in_flight = Gauge("stile_gateway_in_flight", "HTTP requests in flight.", registry=registry)
        self.held = Gauge(
            "stile_gateway_held", "Chat requests in flight, with or without a listener.", registry=registry
        )
        self.accept_seconds = Histogram(
            "stile_gateway_accept_seconds",
            "From the arrival of a chat request to its first event.",
            buckets=_ACCEPT_BUCKETS,
            registry=registry,
        )
        self.answer_seconds = Histogram(
            "stile_gateway_answer_seconds",
            "From the arrival of a chat request to its answer.",
            buckets=_ANSWER_BUCKETS,
            registry=registry,
        )
        self.repeats = Counter(
            "stile_gateway_repeats", "Repeats of requests that got no event in time.", registry=registry
        )
        self.gaps = Counter(
            "stile_gateway_gaps", "Places where events of a request were missing.", registry=registry
        )
        self.dropped = Counter(
            "stile_gateway_dropped_events",
            "Pieces of answers that are not kept, because they are beyond the bound or come after a gap.",
            registry=registry,
        )
        self.unclaimed = Counter(
            "stile_gateway_unclaimed_events",
            "Events of requests that no client waits for.",
            registry=registry,
        )
        self.bus_connected = Gauge(
            "stile_gateway_bus_connected", "1 if the bus is connected.", registry=registry
        )

    def exposition(self) -> bytes:
        """Return all of it in Prometheus' text format."""
        return generate_latest(self._registry)
