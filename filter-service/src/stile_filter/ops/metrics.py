"""What is counted."""

import math
from importlib.metadata import version

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info

from stile_contracts.messages import CancelHit, QueueState
from stile_contracts.subjects import Lane
from stile_filter.guard.answers import Found
from stile_filter.guard.decide import State
from stile_filter.guard.policy import Rule

_BUCKETS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)

_MAX_RULES = 200
"""So many rules have a label of their own: a policy that changes often must not make more and more labels."""
_OTHER = "other"

_WATCHED = ("queue_full", "filter_error", "filter_timeout")
"""Rare outcomes that ``ops/alerts.yml`` watches. They begin at 0, so that the first one is an increase."""

_CHECK_BUCKETS = (0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1, 5)
_ESTIMATE_BUCKETS = (-300, -60, -30, -10, -5, -2, -1, -0.5, 0, 0.5, 1, 2, 5, 10, 30, 60, 300)


class Metrics:
    """The service's metrics, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        build = Info("stile_filter_build", "The version that runs.", registry=self.registry)
        build.info({"version": version("stile-filter")})
        self._requests = Counter(
            "stile_filter_requests",
            "Requests by what happened to them.",
            ["outcome"],
            registry=self.registry,
        )
        for outcome in _WATCHED:
            self._requests.labels(outcome)
        self._seconds = Histogram(
            "stile_filter_request_seconds",
            "From the arrival of a request at the filter to its answer.",
            buckets=_BUCKETS,
            registry=self.registry,
        )
        self._monitored = Counter(
            "stile_filter_monitored",
            "Hits of rules that only monitor.",
            ["rule", "state"],
            registry=self.registry,
        )
        self._refused = Counter(
            "stile_filter_refused",
            "Requests by the rule that refused them.",
            ["rule"],
            registry=self.registry,
        )
        self._rules: set[str] = set()
        self._policy_loads = Counter(
            "stile_filter_policy_loads",
            "How often the policy's file was read, by the result.",
            ["result"],
            registry=self.registry,
        )
        self._policy_refused = Gauge(
            "stile_filter_policy_refused",
            "1 while the policy's file is refused and an earlier policy is in use.",
            registry=self.registry,
        )
        self._policy = Info("stile_filter_policy", "The policy in use.", registry=self.registry)
        self._archived = Counter(
            "stile_filter_archived",
            "Requests for the sealed archive.",
            ["result"],
            registry=self.registry,
        )
        self._cancelled = Counter(
            "stile_filter_cancellations",
            "Cancellations by what they hit.",
            ["hit"],
            registry=self.registry,
        )
        self._dead_letters = Counter(
            "stile_filter_dead_letters",
            "Dead letters that the filter stored: requests that were started too often and never finished.",
            registry=self.registry,
        )
        self.in_flight = Gauge(
            "stile_filter_in_hand",
            "Requests, cancellations and status requests in flight.",
            registry=self.registry,
        )
        self._turned_away = Counter(
            "stile_filter_turned_away",
            "Messages for which their client's queue had no room, and whether the client got an answer.",
            ["kind", "told"],
            registry=self.registry,
        )
        self._restarts = Counter(
            "stile_filter_scanner_restarts", "Scanner processes that were replaced.", registry=self.registry
        )

        self._answer_checks = Histogram(
            "stile_filter_answer_check_seconds",
            "Checks of pieces of answers.",
            ["ended"],
            buckets=_CHECK_BUCKETS,
            registry=self.registry,
        )
        self._answers_refused = Counter(
            "stile_filter_answers_refused",
            "Answers of the model by the rule that refused them.",
            ["rule"],
            registry=self.registry,
        )
        self._own_answers = Counter(
            "stile_filter_own_answers",
            "Answers that clients had received and sent back, and that were not judged again.",
            registry=self.registry,
        )
        self._lookups = Counter(
            "stile_filter_lookups",
            "Status requests by what was found.",
            ["found"],
            registry=self.registry,
        )
        self._waiting = Gauge(
            "stile_filter_queue_waiting",
            "Approved requests that no worker has started, as this filter sees them.",
            ["lane"],
            registry=self.registry,
        )
        self._running = Gauge(
            "stile_filter_queue_running",
            "Requests that a worker has started, as this filter sees them.",
            registry=self.registry,
        )
        self._estimate = Gauge(
            "stile_filter_queue_estimate_seconds",
            "Seconds until a new client's request would start; NaN if no speed was measured.",
            ["lane"],
            registry=self.registry,
        )
        self._error = Histogram(
            "stile_filter_estimate_error_seconds",
            "The estimate in `accepted`, minus the real wait.",
            buckets=_ESTIMATE_BUCKETS,
            registry=self.registry,
        )

    def ended(self, outcome: str, seconds: float) -> None:
        """Count a request that ended as ``outcome`` after ``seconds``."""
        self._requests.labels(outcome).inc()
        self._seconds.observe(seconds)

    def looked_up(self, found: str) -> None:
        """Count a lookup by what it found."""
        self._lookups.labels(found).inc()

    def estimated(self, error_seconds: float) -> None:
        """Note by how much an estimate was too long, or, below zero, too short."""
        self._error.observe(error_seconds)

    def queue(self, state: QueueState) -> None:
        """Show the queue."""
        for lane, shown in ((Lane.INTERACTIVE, state.interactive), (Lane.BATCH, state.batch)):
            self._waiting.labels(lane).set(shown.waiting)
            estimate = shown.estimate_seconds
            self._estimate.labels(lane).set(math.nan if estimate is None else estimate)
        self._running.set(state.running)

    def cancelled(self, hit: CancelHit) -> None:
        """Count a cancellation by what it hit."""
        self._cancelled.labels(hit).inc()

    def dead_letter(self) -> None:
        """Count a request that was laid aside."""
        self._dead_letters.inc()

    def turned_away(self, kind: str, *, told: bool) -> None:
        """Count a message that its client's line had no room for."""
        self._turned_away.labels(kind, "true" if told else "false").inc()

    def monitored(self, rule: Rule, state: State) -> None:
        """Count what a ``monitor`` rule found."""
        self._monitored.labels(self._label(rule), state).inc()

    def refused(self, rule: Rule) -> None:
        """Count a request that a rule has refused."""
        self._refused.labels(self._label(rule)).inc()

    def policy_loaded(self, version: str) -> None:
        """Note that the file is the policy in use."""
        self._policy_loads.labels("ok").inc()
        self._policy_refused.set(0)
        self._policy.info({"version": version})

    def policy_refused(self) -> None:
        """Note that the file is refused, and the policy before it goes on."""
        self._policy_loads.labels("refused").inc()
        self._policy_refused.set(1)

    def archived(self, result: str) -> None:
        """Count a request of the archive: ``kept`` or ``dropped``."""
        self._archived.labels(result).inc()

    def answer_checked(self, ended: str, seconds: float) -> None:
        """Count a check of an answer that ended as ``released``, ``refused`` or ``failed``."""
        self._answer_checks.labels(ended).observe(seconds)

    def answer_refused(self, rule: str) -> None:
        """Count a refused answer by its rule."""
        self._answers_refused.labels(rule).inc()

    def own_answers(self, count: int) -> None:
        """Count answers of Stile's own that came back and were not judged again."""
        self._own_answers.inc(count)

    def answer_monitored(self, found: Found) -> None:
        """Count what a ``monitor`` rule found in an answer."""
        self.monitored(found.rule, found.state)

    def scanner_restarted(self) -> None:
        """Count a scanner process that was replaced."""
        self._restarts.inc()

    def _label(self, rule: Rule) -> str:
        if len(self._rules) < _MAX_RULES:
            self._rules.add(rule.id)
        return rule.id if rule.id in self._rules else _OTHER
