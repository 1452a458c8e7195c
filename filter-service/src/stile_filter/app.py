"""The composition root: settings, policy, scanners, handler, bus; then run until told to stop."""

import asyncio
import signal
import sys

import structlog
from faststream import FastStream

from stile_contracts import subjects
from stile_filter.admission import answer_checks
from stile_filter.admission.admit import Admission
from stile_filter.admission.signature_status import SignatureStatus
from stile_filter.errors import LostLoopError, StartError
from stile_filter.guard.decide import State
from stile_filter.guard.policy import Files, Rule, default_policy
from stile_filter.ops import pauses
from stile_filter.ops.background import Background
from stile_filter.ops.clock import WallClock
from stile_filter.ops.health import Health, HealthServer
from stile_filter.ops.metrics import Metrics
from stile_filter.policies.archive import Archive, NoArchive
from stile_filter.policies.draft import Judge
from stile_filter.policies.guard import Guard
from stile_filter.policies.live import LivePolicy
from stile_filter.policies.source import PolicySource
from stile_filter.queue.positions import PositionNotifier
from stile_filter.requests.answers import AnswerChecks
from stile_filter.requests.cancel import Canceller
from stile_filter.requests.chat_log import ChatLog
from stile_filter.requests.console import ConsoleRequests
from stile_filter.requests.dead_letters import DeadLetters
from stile_filter.requests.own_answers import OwnAnswers
from stile_filter.requests.result_shares import ResultShares
from stile_filter.requests.status import StatusRequests
from stile_filter.settings import Settings
from stile_filter.store.jetstream import JetStreamStore
from stile_filter.transport.bus import Bus
from stile_filter.transport.subscribers import Kind, Subscribers
from stile_runtime import footprint, logs, tracing
from stile_runtime.fleet import Fleet
from stile_runtime.settings import SettingsError

HEARTBEAT_SECONDS = 2.0
SHARES_SECONDS = 5.0
SWEEP_SECONDS = 60.0
"""Between two looks for what CHAT gave up while no filter heard of it."""

log = structlog.get_logger()


class Service:
    """Everything wired together.

    Args:
        settings: the environment.

    Raises:
        PolicyError: the policy can't be used.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._metrics = Metrics()
        own = settings.own_policy
        self._source = PolicySource(settings.policy or default_policy(), own)
        files = Files(*[own] if own else [], weights=settings.weights)
        self._live = LivePolicy(self._guard(files), self._guard, files, self._metrics)
        self._archive = Archive(settings.archive, self._metrics.archived) if settings.archive else NoArchive()
        self._live.swapped = self._swapped
        self._live.retired = footprint.settle
        self._fleet = Fleet()
        self._bus = Bus(settings)
        self._health = Health(self._unready, self._policy_fault, self._layers)
        self._server: HealthServer | None = None
        store = JetStreamStore(lambda: self._bus.client)
        self._outcome_shares = ResultShares(store)
        self._clock = WallClock()
        self._queue = PositionNotifier(
            self._fleet,
            store,
            self._bus.send,
            most=self._live.guard.policy.limits.max_waiting_per_client,
            observer=self._metrics,
            wall_clock=self._clock,
        )
        signer = settings.signer()
        self._signatures = SignatureStatus(signer, self._fleet)
        self._workers_fault: str | None = None  # as of the last heartbeat, for the probes' thread too
        chat_log = ChatLog(self._bus.publish)
        own_answers = OwnAnswers(store, signer.answers_key)
        handler = Admission(
            self._live,
            store,
            queue=self._queue,
            fleet=self._fleet,
            signer=signer,
            signature_fault=self._signatures.fault,
            clock_fault=self._clock.fault,
            observer=self._metrics,
            archive=self._archive,
            chat_log=chat_log,
            find_own=own_answers.among,
        )
        canceller = Canceller(store, self._metrics.cancelled, chat_log)
        lookup = StatusRequests(store, self._queue.position, self._metrics.looked_up)
        self._dead_letters = DeadLetters(store, self._bus.send, self._metrics.dead_letter, chat_log)
        console = ConsoleRequests(store, self._queue, canceller, Judge(self._live).judge)
        answer_checks = AnswerChecks(self._live, own_answers, self._metrics)
        self._subscribers = Subscribers(
            self._bus,
            [
                Kind("request", subjects.GATEWAY_REQUESTS, subjects.REQUESTS, handler.handle),
                Kind("cancellation", subjects.GATEWAY_CANCELS, subjects.CANCELS, canceller.handle),
                Kind("lookup", subjects.GATEWAY_STATUS_REQUESTS, subjects.STATUS_REQUESTS, lookup.handle),
            ],
            self._metrics.turned_away,
            follower=self._queue,
            heartbeat=self._fleet.receive_body,
            advisory=self._dead_letters.advised,
            answer_check=answer_checks.handle,
            console=console.handle,
        )
        self._metrics.in_flight.set_function(lambda: self._subscribers.in_flight)
        self._app = FastStream(
            self._bus.broker,
            logger=None,
            on_startup=[self._start],
            after_startup=[self._started],
            on_shutdown=[self._subscribers.drain],
            after_shutdown=[self._stop],
        )
        # Told to exit, it drains first.
        self._background = Background(self._app.exit)

    async def run(self) -> None:
        """Run until SIGTERM or SIGINT.

        Raises:
            SettingsError, StartError: it can't start.
            LostLoopError: one of its background loops has ended by itself.
        """
        try:
            await self._app.run()
        finally:
            await self._stop()
        self._background.check()

    async def _start(self) -> None:
        if self._settings.signing_key is None:
            log.warning("approvals_unsigned", variable="STILE_SIGNING_KEY")
        if self._settings.filter_port:
            try:
                self._server = HealthServer(
                    self._settings.filter_host,
                    self._settings.filter_port,
                    self._health,
                    self._metrics.registry,
                )
            except OSError as error:
                raise SettingsError(f"STILE_FILTER_PORT: can't listen there: {error.strerror}") from error
        policy = self._live.guard.policy
        if policy.scanners:
            log.info("scanners_loading", scanners=[rule.id for rule in policy.scanners])
        asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, self._live.reload)
        await self._live.start()
        self._archive.follow(policy)

    async def _started(self) -> None:
        await self._subscribers.start()
        self._fleet.listens()
        await self._queue.look()
        for name, loop in (
            ("looks", self._queue.keep_looking()),
            ("places", self._queue.keep_notifying()),
            ("heartbeats", self._beat()),
            ("sweeps", self._sweep()),
            ("shares", self._share()),
            ("policy", self._live.keep_watching()),
        ):
            self._background.start(name, loop)
        footprint.settle()
        policy = self._live.guard.policy
        log.info(
            "filter_ready",
            policy=policy.version,
            instance=self._bus.instance,
            layers="; ".join(policy.layers),
        )

    async def _stop(self) -> None:
        await self._background.stop()
        await self._live.close()
        await asyncio.to_thread(self._archive.close)
        if self._server:
            await asyncio.to_thread(self._server.close)
            self._server = None

    async def _beat(self) -> None:
        while True:
            self._health.turned()
            self._look_at_workers()
            await self._bus.beat(
                self._unready(),
                self._queue.state(),
                policy=self._live.guard.policy.version,
                refused=self._live.fault is not None,
                held=self._queue.held,
            )
            await asyncio.sleep(HEARTBEAT_SECONDS)

    def _look_at_workers(self) -> None:
        before = self._workers_fault
        unchecked = answer_checks.fault(self._live.guard.policy, self._fleet)
        self._workers_fault = self._signatures.fault() or unchecked
        if self._workers_fault is not None and before is None:
            log.error("approvals_withheld", reason=self._workers_fault)
        elif self._workers_fault is None and before is not None:
            log.info("approvals_go_on")

    async def _sweep(self) -> None:
        while True:
            await self._dead_letters.sweep()
            await asyncio.sleep(SWEEP_SECONDS)

    async def _share(self) -> None:
        while True:
            await self._outcome_shares.look()
            await asyncio.sleep(SHARES_SECONDS)

    def _unready(self) -> str | None:
        if not self._live.guard.ready:
            return "the scanners are being loaded"
        return self._subscribers.unready() or self._clock.fault() or self._workers_fault

    def _monitored(self, rule: Rule, place: str, state: State) -> None:
        self._metrics.monitored(rule, state)
        log.info("monitored", rule=rule.id, place=place, state=state)

    def _layers(self) -> list[str]:
        return self._live.guard.policy.layers

    def _policy_fault(self) -> str | None:
        fault = self._live.fault
        if fault is None:
            return None
        version = self._live.guard.policy.version
        return f"policy: the file is refused, version {version} goes on: {'; '.join(str(fault).splitlines())}"

    def _guard(self, files: Files) -> Guard:
        return Guard(
            self._source.find(),
            self._settings.archive,
            files,
            self._monitored,
            self._metrics.scanner_restarted,
        )

    def _swapped(self, guard: Guard) -> None:
        self._source.taken_up(guard)
        self._queue.limit(guard.policy.limits.max_waiting_per_client)
        self._archive.follow(guard.policy)


def main() -> None:
    """Run the service; exit 1 if it can't start or lost a loop, with the reason on stderr."""
    try:
        settings = Settings.load()
        logs.configure(settings)
        pauses.share_the_interpreter()
        end_traces = tracing.start("stile-filter")
        try:
            asyncio.run(Service(settings).run())
        finally:
            end_traces()
    except (SettingsError, StartError, LostLoopError) as error:
        print(error, file=sys.stderr)  # noqa: T201 -- the one line that says why it does not run
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(0)


if __name__ == "__main__":
    main()
