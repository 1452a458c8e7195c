"""``docs/metrics.md`` has each metric of the gateway and the filter. A test in Rust holds the worker's."""

import re
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, Metric
from prometheus_client.metrics import MetricWrapperBase

from stile_filter.ops.metrics import Metrics as FilterMetrics
from stile_gateway.metrics import Metrics as GatewayMetrics

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/metrics.md").read_text()
SUFFIXES = {"counter": "_total", "info": "_info"}


def row(collector: MetricWrapperBase, metric: Metric) -> str:
    labels = ", ".join(f"`{name}`" for name in collector._labelnames or info_labels(metric))
    name = f"{metric.name}{SUFFIXES.get(metric.type, '')}"
    return f"| `{name}` | {metric.type} | {labels} | {metric.documentation} |"


def info_labels(metric: Metric) -> tuple[str, ...]:
    return tuple(metric.samples[0].labels) if metric.type == "info" and metric.samples else ()


def rows(registry: CollectorRegistry) -> set[str]:
    own = [each for each in registry._collector_to_names if isinstance(each, MetricWrapperBase)]
    return {row(collector, metric) for collector in own for metric in collector.collect()}


@pytest.mark.parametrize("part", ["gateway", "filter"])
def test_the_page_has_each_metric(part: str) -> None:
    if part == "gateway":
        registry = GatewayMetrics()._registry
    else:
        metrics = FilterMetrics()
        metrics.policy_loaded("a version")
        registry = metrics.registry
    documented = re.findall(rf"^\| `stile_{part}_.*\|$", PAGE, flags=re.MULTILINE)
    assert sorted(documented) == sorted(rows(registry))
