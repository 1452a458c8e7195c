"""The composition root: settings, policy, scanners, handler, bus; then run until told to stop."""

import asyncio
import sys

import structlog
from faststream import FastStream

from stile_contracts import subjects
from stile_filter.background import Background
from stile_filter.bus import Bus
from stile_filter.cancelling import Canceller
from stile_filter.dead_letter_streams import NatsDeadLetterStreams
from stile_filter.dead_letters import DeadLetters
from stile_filter.decide import Decider, NoScanners, State
from stile_filter.errors import Fault, LostLoopError, PolicyError, StartError
from stile_filter.handlers import Handler
from stile_filter.health import Health, HealthServer
from stile_filter.intake import Handle, Intake
from stile_filter.lookup import Lookup
from stile_filter.metrics import Metrics
from stile_filter.outcome_shares import OutcomeShares
from stile_filter.outcome_stream import NatsOutcomes
from stile_filter.policy import Policy, Rule
from stile_filter.rounds import Rounds
from stile_filter.scanners.pool import ScannerError, ScannerPool
from stile_filter.settings import Settings
from stile_filter.streams import NatsStreams
from stile_filter.trust import Trust
from stile_filter.usher import Usher
from stile_runtime import logs
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
        policy: the owner's rules.
    """

    def __init__(self, settings: Settings, policy: Policy) -> None:
        self._settings = settings
        self._policy = policy
        self._metrics = Metrics()
        self._fleet = Fleet()
        self._bus = Bus(settings)
        self._pool = self._scanner_pool()
        self._health = Health(self._unready)
        self._server: HealthServer | None = None
        self._outcome_shares = OutcomeShares(NatsOutcomes(lambda: self._bus.client))
        decider = Decider(policy, self._pool or NoScanners(), self._monitored)
        streams = NatsStreams(lambda: self._bus.client)
        self._usher = Usher(self._fleet, policy.limits.max_waiting_per_client, self._metrics)
        self._rounds = Rounds(self._usher, streams, self._bus.send, self._metrics.queue)
        signer = settings.signer()
        self._trust = Trust(signer, self._fleet)
        self._doubt: str | None = None  # as of the last heartbeat, for the probes' thread too
        handler = Handler(
            policy,
            decider,
            streams,
            queue=self._usher,
            fleet=self._fleet,
            signer=signer,
            doubt=self._trust.doubt,
            observer=self._metrics,
        )
        self._metrics.in_hand.set_function(lambda: self._bus.in_hand)
        canceller = Canceller(streams, self._metrics.cancelled)
        lookup = Lookup(streams, self._usher.standing, self._metrics.looked_up)
        self._serve("request", subjects.GATEWAY_REQUESTS, subjects.REQUESTS, handler.handle)
        self._serve("cancellation", subjects.GATEWAY_CANCELS, subjects.CANCELS, canceller.handle)
        self._serve("lookup", subjects.GATEWAY_STATUS_REQUESTS, subjects.STATUS_REQUESTS, lookup.handle)
        self._bus.listen(self._fleet.receive_body)
        self._bus.follow(self._usher)
        self._dead_letters = DeadLetters(
            NatsDeadLetterStreams(lambda: self._bus.client), self._bus.send, self._metrics.dead_letter
        )
        self._bus.serve_advisories(self._dead_letters.advised)
        self._app = FastStream(
            self._bus.broker,
            logger=None,
            on_startup=[self._start],
            after_startup=[self._started],
            on_shutdown=[self._bus.drain],
            after_shutdown=[self._stop],
        )
        # Told to exit, it drains first.
        self._background = Background(self._app.exit)

    def _serve(self, kind: str, of_gateway: str, of_all: str, handle: Handle) -> None:
        """Have one kind of message handled, the gateway's and the direct clients' apart."""
        gateway, direct = (
            Intake(kind, handle, self._bus.send, self._metrics.turned_away, self._usher.has_place)
            for _ in range(2)
        )
        self._bus.serve(of_gateway, gateway, of_all, direct)

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
        if self._pool:
            log.info("scanners_loading", scanners=[rule.id for rule in self._policy.scanners])
            try:
                await self._pool.start()
            except ScannerError as error:
                raise self._scanner_fault(error) from error

    async def _started(self) -> None:
        await self._bus.started()
        self._fleet.listens()
        await self._rounds.look()
        for name, loop in (
            ("looks", self._rounds.keep_looking()),
            ("places", self._rounds.tell()),
            ("heartbeats", self._beat()),
            ("sweeps", self._sweep()),
            ("shares", self._share()),
        ):
            self._background.start(name, loop)
        log.info("filter_ready", policy=self._policy.version, instance=self._bus.instance)

    async def _stop(self) -> None:
        await self._background.stop()
        if self._pool:
            await self._pool.close()
        if self._server:
            await asyncio.to_thread(self._server.close)
            self._server = None

    async def _beat(self) -> None:
        while True:
            self._health.turned()
            self._look_at_trust()
            await self._bus.beat(self._unready(), self._usher.state())
            await asyncio.sleep(HEARTBEAT_SECONDS)

    def _look_at_trust(self) -> None:
        before, self._doubt = self._doubt, self._trust.doubt()
        if self._doubt is not None and before is None:
            log.error("approvals_not_believed", reason=self._doubt)
        elif self._doubt is None and before is not None:
            log.info("approvals_believed")

    async def _sweep(self) -> None:
        while True:
            await self._dead_letters.sweep()
            await asyncio.sleep(SWEEP_SECONDS)

    async def _share(self) -> None:
        while True:
            await self._outcome_shares.look()
            await asyncio.sleep(SHARES_SECONDS)

    def _unready(self) -> str | None:
        if self._pool and not self._pool.ready:
            return "the scanners are being loaded"
        return self._bus.unready() or self._doubt

    def _monitored(self, rule: Rule, place: str, state: State) -> None:
        self._metrics.monitored(rule, state)
        log.info("monitored", rule=rule.id, place=place, state=state)

    def _scanner_pool(self) -> ScannerPool | None:
        if not self._policy.scanners:
            return None
        return ScannerPool(
            self._policy.scanners,
            processes=self._policy.scan_processes,
            spares=self._policy.scan_spares,
            timeout=self._policy.scan_timeout,
            restarted=self._metrics.scanner_restarted,
        )

    def _scanner_fault(self, error: ScannerError) -> PolicyError:
        lines = {rule.id: rule.line for rule in self._policy.scanners}
        return PolicyError(self._policy.file.path, [Fault(lines[error.rule], str(error))])


def main() -> None:
    """Run the service; exit 1 if it can't start or lost a loop, with the reason on stderr."""
    try:
        settings = Settings.load()
        logs.configure(settings)
        asyncio.run(Service(settings, Policy(settings.policy)).run())
    except (SettingsError, StartError, LostLoopError) as error:
        print(error, file=sys.stderr)  # noqa: T201 -- the one line that says why it does not run
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(0)


if __name__ == "__main__":
    main()
