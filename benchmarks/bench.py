"""The time that Stile adds to a request, and its throughput; see the README in this folder."""

import argparse
import asyncio
import json
import statistics
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "tests"))

from measuring import hops, load, processor  # noqa: E402 -- after the path of the tests' harness
from measuring.machine import machine  # noqa: E402

from harness.models.standin import Standin  # noqa: E402
from harness.parts.system import System  # noqa: E402
from stile_contracts.subjects import LOG_STREAM  # noqa: E402

POLICY = HERE / "policy.yml"
ROUNDS = 4
REFUSED = "what the fuck"
SETTINGS = {
    "STILE_POLICY": str(POLICY),
    "STILE_MAX_PROMPT_CHARS": "600000",
    "STILE_MAX_MESSAGE_CHARS": "600000",
    "STILE_LOG_LEVEL": "warning",
}
WORDS = "the sky is blue because air scatters short waves of light more than long ones and so "


def prompt_of(characters: int) -> bytes:
    """Make a request whose prompt has ``characters``."""
    return json.dumps({"prompt": (WORDS * (characters // len(WORDS) + 1))[:characters]}).encode()


def history_of(messages: int) -> bytes:
    """Make a request with ``messages`` of 200 characters before its prompt."""
    turns = [
        {"role": ("user", "assistant")[n % 2], "content": f"{n}: " + (WORDS * 3)[:200]}
        for n in range(messages)
    ]
    return json.dumps({"prompt": "Why?", "messages": turns}).encode()


def to_model(body: bytes) -> bytes:
    """Make the same request for the model's own server."""
    request = json.loads(body)
    turns = [*request.get("messages", []), {"role": "user", "content": request["prompt"]}]
    return json.dumps({"messages": turns}).encode()


class Bench:
    """One run over one started system.

    Args:
        system: every part, before a stand-in of no latency.
        seconds: each measurement's length; one through Stile and one directly make a pair.
    """

    def __init__(self, system: System, seconds: float) -> None:
        self.system = system
        self.seconds = seconds

    async def pair(self, body: bytes, clients: int) -> tuple[load.Latencies, load.Latencies]:
        """Measure through Stile and directly, alternating, ``ROUNDS`` times each."""
        stile = direct = load.Latencies([], 0.0)
        for _ in range(ROUNDS):
            seconds = self.seconds / ROUNDS
            stile += await load.run(f"{self.system.url}/chat", body, clients=clients, seconds=seconds)
            url = f"{self.system.model.url}/v1/chat/completions"
            direct += await load.run(url, to_model(body), clients=clients, seconds=seconds)
        return stile, direct

    async def report(self) -> str:
        """Measure everything; return the tables as Markdown."""
        await self.pair(prompt_of(100), 4)  # warm
        idle = self.memory()
        lines = [
            *machine(),
            *await self.added(),
            *await self.carried(),
            *await self.shares(),
            *await self.sizes(),
            *await self.log(),
        ]
        lines += ["", "## Memory", "", "| part | RSS, idle | RSS, after the run |", "|---|---|---|"]
        after = self.memory()
        lines += [f"| {part} | {idle[part]:.0f} MB | {after[part]:.0f} MB |" for part in idle]
        return "\n".join(lines) + "\n"

    async def added(self) -> list[str]:
        """One client: what Stile adds to the model's own time."""
        stile, direct = await self.pair(prompt_of(100), 1)
        return [
            *("", "## One client", "", "| | p50 | p99 |", "|---|---|---|"),
            f"| directly | {direct.p50:.2f} ms | {direct.p99:.2f} ms |",
            f"| through Stile | {stile.p50:.2f} ms | {stile.p99:.2f} ms |",
            f"| **added** | **{stile.p50 - direct.p50:.2f} ms** | **{stile.p99 - direct.p99:.2f} ms** |",
        ]

    async def carried(self) -> list[str]:
        """Many clients: requests a second through one worker."""
        lines = [
            "",
            "## Many clients, one worker",
            "",
            "| clients | through Stile | p99 | directly | ratio |",
            "|---|---|---|---|---|",
        ]
        for clients in (8, 32):
            stile, direct = await self.pair(prompt_of(100), clients)
            lines.append(
                f"| {clients} | {stile.rate:.0f}/s | {stile.p99:.0f} ms | {direct.rate:.0f}/s "
                f"| {stile.rate / direct.rate:.2f} |"
            )
        return lines

    async def shares(self) -> list[str]:
        """Each hop's share of one request's time."""
        body = prompt_of(100)
        stile, direct = await self.pair(body, 1)
        bus = await hops.measure(self.system, body, 300)
        rows = {
            "gateway (HTTP in and out)": stile.p50 - bus.done,
            "filter (decision, keywords)": bus.accepted - bus.stream_write,
            "stream (the approval's write)": bus.stream_write,
            "stream to consumer (pull)": bus.started - bus.accepted,
            "consumer (look-up, outcome's write, reply)": bus.done - bus.started - direct.p50,
            "the model's server": direct.p50,
        }
        lines = ["", "## Where one request's time goes", "", "| hop | p50 | share |", "|---|---|---|"]
        return lines + [
            f"| {hop} | {taken:.2f} ms | {taken / stile.p50:.0%} |" for hop, taken in rows.items()
        ]

    async def sizes(self) -> list[str]:
        """Longer prompts and longer histories, one client."""
        lines = [
            "",
            "## Longer requests, one client",
            "",
            "| request | through Stile, p50 | directly | added | ratio |",
            "|---|---|---|---|---|",
        ]
        for name, body in _bodies():
            stile, direct = await self.pair(body, 1)
            lines.append(
                f"| {name} | {stile.p50:.1f} ms | {direct.p50:.1f} ms | {stile.p50 - direct.p50:.1f} ms "
                f"| {stile.p50 / direct.p50:.1f} |"
            )
        return lines

    async def log(self) -> list[str]:
        """Processor time of a request with the stream of the log and without, in turns of a second or two."""
        js = (await self.system.bus.connect("provisioner")).jetstream()
        config = (await js.stream_info(LOG_STREAM)).config
        lines = ["", "## The log of what happened: processor time of a request", ""]
        lines += ["| request | part | without its stream | with it | the log |", "|---|---|---|---|---|"]
        for name, body in (
            ("answered", prompt_of(100)),
            ("refused", json.dumps({"prompt": REFUSED}).encode()),
        ):
            runs: dict[bool, list[dict[str, float]]] = {False: [], True: []}
            for turn in range(2 * ROUNDS):
                has_stream = turn % 2 == 1
                await (js.add_stream(config) if has_stream else js.delete_stream(LOG_STREAM))
                runs[has_stream].append(
                    await processor.milliseconds_a_request(self.system, body, self.seconds / ROUNDS)
                )
            for part in runs[True][0]:
                without, with_it = (statistics.median(run[part] for run in runs[has]) for has in runs)
                lines.append(
                    f"| {name} | {part} | {without:.3f} ms | {with_it:.3f} ms | {with_it - without:+.3f} ms |"
                )
        return lines

    def memory(self) -> dict[str, float]:
        """Return each part's resident memory, with its children's, in MB."""
        used = {}
        for part, process in self.system.parts.items():
            root = psutil.Process(process.pid)
            used[part] = sum(p.memory_info().rss for p in [root, *root.children(recursive=True)]) / 1e6
        used["nats-server"] = psutil.Process(self.system.bus.pid).memory_info().rss / 1e6
        return used


def _bodies() -> Iterator[tuple[str, bytes]]:
    for kilobytes in (1, 10, 100, 500):
        yield f"prompt of {kilobytes} KB", prompt_of(kilobytes * 1000)
    for messages in (1, 10, 100):
        yield f"history of {messages} messages", history_of(messages)


async def main() -> None:
    """Start every part, measure, print, and write ``results/latest.md``."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=8.0, help="of each measurement")
    options = parser.parse_args()
    scratch = HERE.parent / ".stile"
    scratch.mkdir(exist_ok=True)
    # Beside the checkout's own data, not in /tmp: that may be memory, and writing to it would cost nothing.
    with tempfile.TemporaryDirectory(dir=scratch) as folder:
        model = await Standin(Path(folder)).start()
        system = await System(Path(folder), model, settings=SETTINGS).start()
        try:
            report = await Bench(system, options.seconds).report()
        finally:
            await system.stop()
    print(report)
    (HERE / "results").mkdir(exist_ok=True)
    (HERE / "results" / "latest.md").write_text(report)


if __name__ == "__main__":
    asyncio.run(main())
