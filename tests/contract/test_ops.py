"""``ops/``: the alert rules and the board use metrics, labels and values that exist."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from stile_contracts.errors import ErrorCode

ROOT = Path(__file__).parents[2]
OPS = ROOT / "ops"
BOARD = json.loads((OPS / "grafana.json").read_text())
RULES = yaml.safe_load((OPS / "alerts.yml").read_text())["groups"][0]["rules"]
ROWS = re.findall(
    r"^\| `((?:stile|gen_ai)_\w+)` \| (\w+) \| (.*?) \|", (ROOT / "docs/metrics.md").read_text(), re.MULTILINE
)
LABELS = {
    name: {*re.findall(r"`(\w+)`", labels), *({"le"} if kind == "histogram" else set())}
    for name, kind, labels in ROWS
}
OF_PROMETHEUS = {"up": {"job", "part", "instance"}, "process_resident_memory_bytes": set[str]()}
OUTCOMES = {*ErrorCode, "unsigned"}


def expressions() -> dict[str, str]:
    of_rules = {rule["alert"]: rule["expr"] for rule in RULES}
    return of_rules | {
        f"{panel['title']} {target['refId']}": target["expr"]
        for panel in BOARD["panels"]
        for target in panel["targets"]
    }


def known(metric: str) -> set[str]:
    """Return the labels of a metric, or fail."""
    name = re.sub(r"_(bucket|count|sum)$", "", metric)
    return {**OF_PROMETHEUS, **LABELS}[name]


@pytest.mark.parametrize("expression", expressions().values(), ids=expressions())
def test_an_expression_uses_what_exists(expression: str) -> None:
    metrics = re.findall(
        r"\b((?:stile|gen_ai|process)_\w+|up)\b", re.sub(r"by \(.*?\)|\{.*?\}", "", expression)
    )
    assert metrics
    labels = set().union(*map(known, metrics))
    used = re.findall(r"(\w+)\s*=~?", expression.replace("==", "")) + [
        name for group in re.findall(r"by \((.*?)\)", expression) for name in re.split(r",\s*", group.strip())
    ]
    assert set(used) <= labels
    for values in re.findall(r'outcome=~?"([^"]+)"', expression):
        assert set(values.split("|")) <= OUTCOMES


def test_each_rule_says_what_to_do_and_is_tested() -> None:
    assert all({"summary", "action"} == set(rule["annotations"]) for rule in RULES)
    tests = yaml.safe_load((OPS / "alerts.test.yml").read_text())["tests"]
    assert [test["name"] for test in tests] == [rule["alert"] for rule in RULES]
    for test in tests:
        quiet, firing = test["alert_rule_test"]
        assert not quiet["exp_alerts"]
        assert len(firing["exp_alerts"]) == 1


def test_the_boards_panels_do_not_overlap() -> None:
    cells: list[tuple[int, int]] = []
    for panel in BOARD["panels"]:
        at: dict[str, Any] = panel["gridPos"]
        assert at["x"] + at["w"] <= 24
        cells += [
            (x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])
        ]
    assert len(cells) == len(set(cells))
    assert len({panel["id"] for panel in BOARD["panels"]}) == len(BOARD["panels"])
