"""The accounting after a run: what was accepted, what is stored, what was learned, what the model did."""

import itertools
import json
import re
from collections import Counter, defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

from faults.breaking import Fault
from faults.ledger import Asked, Ledger
from harness.nats.results import Stored

LEASE_SECONDS = 10.0
"""A worker's `ack_wait`: so long after a fault's end its consequences may begin."""
SLACK_SECONDS = 3.0
"""For clocks, and for what is under way when something starts again."""


@dataclass(frozen=True)
class Generation:
    """One run of a model, from its record."""

    model: str
    prompt: str
    started: float
    ended: float | None
    most_open: int


def generations(record: Path) -> list[Generation]:
    """Read a stand-in's record: a line at each start and end; a killed one has no ends."""
    begun: dict[tuple[str, float], dict[str, Any]] = {}
    ended: dict[tuple[str, float], dict[str, Any]] = {}
    for line in record.read_text().splitlines() if record.exists() else []:
        entry = json.loads(line)
        key = (entry["prompt"], entry["started"])
        (begun if entry["ended"] is None else ended)[key] = entry
    return [
        Generation(
            record.stem,
            entry["prompt"],
            entry["at"],
            ended[key]["at"] if key in ended else None,
            entry["open"],
        )
        for key, entry in begun.items()
    ]


@dataclass
class Account:
    """One phase's numbers, and every sentence that is wrong with them.

    Args:
        ledger: of the phase.
        faults: of the phase.
        stored: CHAT_RESULT.
        done: what the models did.
    """

    ledger: Ledger
    faults: list[Fault]
    stored: list[Stored]
    done: list[Generation]

    def wrong(self) -> list[str]:
        """Return what must not be; empty where all is well."""
        by_id: dict[UUID, list[Stored]] = defaultdict(list)
        for outcome in self.stored:
            by_id[outcome.chat_id].append(outcome)
        sentences = []
        for asked in self.ledger.asked:
            sentences += self._request(asked, by_id[asked.chat_id])
        sentences += self._models()
        if self.ledger.silent_cuts:
            sentences.append(f"{self.ledger.silent_cuts} streams ended without a last word")
        return sentences

    def _request(self, asked: Asked, outcomes: list[Stored]) -> list[str]:
        about = f"{asked.client} {asked.key}"
        wrong = []
        if len(outcomes) != 1:
            said = "accepted" if asked.accepted else "asked"
            wrong.append(f"{about}: {said}, and has {len(outcomes)} outcomes")
        if not asked.learned:
            wrong.append(f"{about}: its client learned nothing")
        if asked.ids - {asked.chat_id}:
            wrong.append(f"{about}: it was told another id")
        for kind, text in asked.learned:
            if kind == "error" and not any(text in fault.kind.excused_errors for fault in self.faults):
                wrong.append(f"{about}: ended with {text}, which no fault excuses")
            if kind == "answer" and not is_own(text, asked.prompt):
                wrong.append(f"{about}: another's text: {text[:80]!r}")
        for outcome in outcomes:
            told = (
                ("error", outcome.kind) if "error" in outcome.body else ("answer", outcome.body["response"])
            )
            if any(learned != told for learned in asked.learned):
                wrong.append(f"{about}: what it learned is not what is stored")
        wrong += [
            f"{about}: streamed another's text: {streamed[:80]!r}"
            for streamed in asked.streams
            if not is_beginning(streamed, asked.prompt)
        ]
        return wrong

    def _models(self) -> list[str]:
        wrong = [
            f"{entry.model}: {entry.most_open} requests were open at once"
            for entry in self.done
            if entry.most_open > 1
        ]
        ours = {asked.prompt for asked in self.ledger.asked}
        runs: dict[str, list[Generation]] = defaultdict(list)
        for entry in self.done:
            if entry.prompt in ours:
                runs[entry.prompt].append(entry)
        for prompt, entries in runs.items():
            entries.sort(key=lambda entry: entry.started)
            for earlier, later in itertools.pairwise(entries):
                if not any(_excuses(fault, earlier, later) for fault in self.faults):
                    wrong.append(f"{prompt}: generated again without a fault to excuse it")
        return wrong

    def repeats(self) -> int:
        """Return how many generations were one more of the same request."""
        ours = {asked.prompt for asked in self.ledger.asked}
        counts = Counter(entry.prompt for entry in self.done if entry.prompt in ours)
        return sum(counts.values()) - len(counts)


def is_own(text: str, prompt: str) -> bool:
    """Tell whether ``text`` is what the stand-in answers to ``prompt``, up to the end of a word."""
    return re.fullmatch(re.escape(f"echo: {prompt}") + "( word)*", text) is not None


def is_beginning(text: str, prompt: str) -> bool:
    """Tell whether ``text`` is the beginning of what the stand-in answers to ``prompt``."""
    return (f"echo: {prompt}" + " word" * len(text)).startswith(text)


def _excuses(fault: Fault, earlier: Generation, later: Generation) -> bool:
    over = fault.over if fault.over is not None else later.started
    return (
        fault.kind.excuses_repeats
        and fault.at <= later.started
        and over + LEASE_SECONDS + SLACK_SECONDS >= earlier.started
    )
