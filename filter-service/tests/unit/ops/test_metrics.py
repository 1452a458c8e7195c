"""What is counted of refusals: by rule, with a bounded number of labels."""

from stile_filter.guard.decide import State
from stile_filter.guard.policy import Action, Rule
from stile_filter.ops.metrics import Metrics


def rule(name):
    return Rule(id=name, category="c", action=Action.REFUSE)


def test_a_refusal_is_counted_by_its_rule():
    """Each by itself."""
    metrics = Metrics()
    for name in ("a", "a", "b"):
        metrics.refused(rule(name))
    count = metrics.registry.get_sample_value
    assert count("stile_filter_refused_total", {"rule": "a"}) == 2
    assert count("stile_filter_refused_total", {"rule": "b"}) == 1


def test_the_labels_are_bounded():
    """A policy that is changed often, each time with other rules, does not fill the memory."""
    metrics = Metrics()
    for number in range(1000):
        metrics.refused(rule(f"rule-{number}"))
        metrics.monitored(rule(f"rule-{number}"), State.REFUSE)
    families = {family.name: family for family in metrics.registry.collect()}
    for name in ("stile_filter_refused", "stile_filter_monitored"):
        totals = [sample for sample in families[name].samples if sample.name.endswith("_total")]
        assert len(totals) == 201
        [other] = [sample.value for sample in totals if sample.labels["rule"] == "other"]
        assert other == 800


def test_what_became_of_the_policy():
    """Loads by result; a gauge that says whether the file is refused; the version in use."""
    metrics = Metrics()
    metrics.policy_loaded("0123456789ab")
    metrics.policy_refused()
    count = metrics.registry.get_sample_value
    assert count("stile_filter_policy_loads_total", {"result": "refused"}) == 1
    assert count("stile_filter_policy_refused") == 1
    assert count("stile_filter_policy_info", {"version": "0123456789ab"}) == 1
    metrics.policy_loaded("ba9876543210")
    assert count("stile_filter_policy_refused") == 0
    assert count("stile_filter_policy_info", {"version": "0123456789ab"}) is None
