"""What a position costs the filter if CHAT is full: ``accepted``, and the notifications after a change.

No process is started. The times are of the CPU, so that other work on the machine counts little.

    .venv/bin/python benchmarks/waiting/positions.py
"""

import time
from statistics import median
from uuid import UUID

from stile_contracts import subjects
from stile_contracts.messages import EventLevel, Heartbeat
from stile_contracts.subjects import Lane, RequestAddress
from stile_filter.ops.clock import WallClock
from stile_filter.queue.positions import PositionNotifier, Subscription
from stile_filter.queue.speed import Size
from stile_runtime.fleet import Fleet

WAITING = 1000
ROUNDS = 300
FAR_AWAY_MS = 10**14


class Unobserved:
    """Shows nothing."""

    def estimated(self, error_seconds: float) -> None:
        """Leave the error out."""

    def queue(self, state: object) -> None:
        """Leave the queue out."""


def address(number: int, clients: int) -> RequestAddress:
    """Name a request; every tenth is of the batch lane."""
    lane = Lane.INTERACTIVE if number % 10 else Lane.BATCH
    return RequestAddress(lane, f"c{number % clients}", UUID(int=number))


def measure(clients: int) -> str:
    """Fill the queue, then let one request come for each that leaves; return a line of the table."""
    workers = Fleet()
    speed = {"prompt_per_second": 100.0, "predicted_per_second": 10.0, "answer_tokens": 90.0}
    heartbeat = Heartbeat(part="consumer", instance="w", version="1", ready=True, service_seconds=9.0)
    workers.receive(heartbeat.model_copy(update=speed))
    queue = PositionNotifier(
        workers,
        store=None,  # type: ignore[arg-type]  # nothing looks into CHAT here
        send=None,  # type: ignore[arg-type]
        most=WAITING,
        observer=Unobserved(),
        wall_clock=WallClock(),
    )
    seconds = []
    for number in range(WAITING + ROUNDS):
        arriving = address(number, clients)
        request = Subscription(
            subjects.approved(*arriving),
            None,
            arriving.id,
            "_INBOX_gateway.1",
            EventLevel.STATE,
            Size(400 + number % 50, 90),
            FAR_AWAY_MS,
        )
        workers.receive(heartbeat.model_copy(update=speed))
        before = time.process_time()
        queue.accepted(request)
        if number >= WAITING:
            seconds.append(time.process_time() - before)
            queue.finished(address(number - WAITING, clients))
    before = time.process_time()
    sent = sum(1 for _ in queue.messages())
    each = (time.process_time() - before) / sent
    slowest = sorted(seconds)[len(seconds) * 95 // 100]
    return f"| {clients} | {median(seconds) * 1e3:.2f} | {slowest * 1e3:.2f} | {each * 1e6:.0f} |"


def main() -> None:
    """Print a table."""
    print(f"| clients of {WAITING} requests | `accepted`, ms | 95 % of them, ms | a `position`, µs |")
    print("|---|---|---|---|")
    for clients in (20, WAITING):
        print(measure(clients))


if __name__ == "__main__":
    main()
