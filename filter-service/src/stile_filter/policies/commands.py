"""``stile-filter policy``: the owner's commands on a policy; they need no bus.

Exit codes: 0 all is good, 1 something is refused or wrong, 2 the command is not used right.
"""

import argparse
import asyncio
import json
import logging
import re
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import structlog
from pydantic import Field

from stile_contracts.messages import Role
from stile_filter.errors import FilterServiceError
from stile_filter.guard.decide import State
from stile_filter.guard.policy import Action, Files, Policy, PolicyPath, default_policy
from stile_filter.policies import named_files, trial
from stile_filter.policies.archive import files, records
from stile_filter.policies.changes import changes
from stile_filter.policies.expectations import texts_of
from stile_filter.policies.guard import Guard
from stile_filter.policies.replay import Replayed, Summary, replay
from stile_filter.policies.trial import RuleFinding
from stile_filter.settings import Places
from stile_runtime.settings import SettingsError

BAD = 1

_UNITS = {"h": 3600, "d": 86_400, "w": 604_800}


class CommandSettings(Places):
    """The variables that the commands read; they are the service's."""

    policy: PolicyPath = Field(default_factory=default_policy)


def main(arguments: Sequence[str]) -> None:
    """Run a command and end the process."""
    # Errors are printed; the log belongs to the service.
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    sys.exit(run(arguments))


def run(arguments: Sequence[str]) -> int:
    """Run a command and return its exit code; a wrong use ends the process with 2."""
    try:
        settings = CommandSettings.load()
        asked = _parser(settings).parse_args(arguments)
        result: int = asyncio.run(asked.run(asked, settings))
    except (FilterServiceError, SettingsError) as error:
        print(error, file=sys.stderr)
        return BAD
    except OSError as error:
        print(f"{error.filename}: {error.strerror}" if error.filename else error, file=sys.stderr)
        return BAD
    except KeyboardInterrupt:
        return 130
    return result


def _parser(settings: CommandSettings) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("stile-filter policy", allow_abbrev=False)
    commands = parser.add_subparsers(required=True)

    check = commands.add_parser("check", help="read a policy, start its scanners, run its tests")
    check.add_argument("file", nargs="?", type=Path, default=settings.policy)
    check.add_argument("--json", action="store_true")
    check.set_defaults(run=_check)

    test = commands.add_parser("test", help="show what each rule says of a text")
    test.add_argument("text", nargs="*")
    test.add_argument("--file", type=Path, help="a text on each line; - reads standard input")
    test.add_argument("--role", choices=("user", "assistant", "system"), default="user")
    test.add_argument("--policy", type=Path, default=settings.policy)
    test.add_argument("--json", action="store_true")
    test.set_defaults(run=_test, usage_error=test.error)

    diff = commands.add_parser("diff", help="say in words how policy B differs from A")
    diff.add_argument("policies", nargs="+", type=Path, metavar="[A] B")
    diff.add_argument("--json", action="store_true")
    diff.set_defaults(run=_diff, usage_error=diff.error)

    again = commands.add_parser(
        "replay", help="say what a policy would have done with the archive's requests"
    )
    again.add_argument("--key", type=Path, required=True, help="the private key's file")
    again.add_argument("--since", type=_seconds, default=7 * _UNITS["d"], help="as 12h, 7d or 2w; 7d")
    again.add_argument("--policy", type=Path, default=settings.policy)
    again.add_argument("--archive", type=Path, default=settings.archive)
    again.add_argument("--show", action="store_true", help="print the requests whose result would change")
    again.add_argument("--json", action="store_true")
    again.set_defaults(run=_replay, usage_error=again.error)

    key = commands.add_parser("archive-key", help="make the archive's pair of keys")
    key.add_argument("file", type=Path, help="for the private key; it must not be there yet")
    key.set_defaults(run=_archive_key)

    copy = commands.add_parser("init", help="write a copy of the policy that comes with Stile")
    copy.add_argument("file", type=Path, help="it must not be there yet")
    copy.set_defaults(run=_init)
    return parser


def _seconds(text: str) -> int:
    found = re.fullmatch(r"([0-9]{1,6})([hdw])", text)
    if not found:
        raise argparse.ArgumentTypeError("a number and h, d or w, as 7d")
    return int(found[1]) * _UNITS[found[2]]


async def _check(asked: argparse.Namespace, settings: CommandSettings) -> int:
    file = named_files.find_policy(asked.file, settings.home)
    guard = await _started(file, settings)
    await guard.close()
    policy = guard.policy
    rules = len(policy.keywords) + len(policy.scanners)
    tests = len(policy.tests.refuse) + len(policy.tests.let_pass)
    if asked.json:
        found = {"file": str(file), "version": policy.version, "rules": rules, "tests": tests}
        print(json.dumps(found, indent=2))
        return 0
    print(f"{file}: good; version {policy.version}, {rules} rules, {tests} tests passed")
    return 0


async def _test(asked: argparse.Namespace, settings: CommandSettings) -> int:
    texts = [*asked.text, *(_lines(asked.file, settings) if asked.file else [])]
    if not texts:
        asked.usage_error("give a text, or --file")
    guard = await _started(named_files.find_policy(asked.policy, settings.home), settings)
    try:
        judged = [
            (text, await trial.findings(guard, texts_of(guard, text, Role(asked.role)))) for text in texts
        ]
    finally:
        await guard.close()
    if asked.json:
        print(json.dumps([_described(text, found) for text, found in judged], ensure_ascii=False, indent=2))
    else:
        for text, found in judged:
            _show(text, found)
    return BAD if any(trial.state_of(found) is not State.ALLOW for _, found in judged) else 0


async def _diff(asked: argparse.Namespace, settings: CommandSettings) -> int:
    if len(asked.policies) > 2:
        asked.usage_error("compares two policies")
    named = [named_files.find_policy(policy, settings.home) for policy in asked.policies]
    before, after = [settings.policy, *named][-2:]
    found = changes(Policy(before), Policy(after))
    if asked.json:
        print(json.dumps(found, ensure_ascii=False, indent=2))
    else:
        print("\n".join(found or ["nothing has changed"]))
    return 0


async def _replay(asked: argparse.Namespace, settings: CommandSettings) -> int:
    if asked.archive is None:
        asked.usage_error("STILE_ARCHIVE is not set: give --archive")
    key = records.read_key(named_files.find(asked.key, settings.home))
    policy = named_files.find_policy(asked.policy, settings.home)
    sealed = files.read(asked.archive)
    since_ms = int((time.time() - asked.since) * 1000)
    # The policy need not name an archive, but it may.
    settings = settings.model_copy(update={"archive": asked.archive})
    guard = await _started(policy, settings)
    summary, shown = Summary(), []
    try:
        async for replayed in replay(guard, sealed, key, since_ms, summary):
            if asked.show and replayed.is_changed:
                shown.append(_replayed(replayed))
                if not asked.json:
                    print(json.dumps(shown.pop(), ensure_ascii=False))
    finally:
        await guard.close()
    if asked.json:
        print(json.dumps({**summary.described(), "changed": shown}, ensure_ascii=False, indent=2))
    else:
        _show_summary(summary)
    return 0


async def _archive_key(asked: argparse.Namespace, _: CommandSettings) -> int:
    public = records.make_key(asked.file)
    print(f"archive: {{keep: refused, days: 30, key: {public}}}")
    print(
        f"{asked.file}: the private key. Keep it on another machine: it opens every text of the archive.",
        file=sys.stderr,
    )
    return 0


async def _init(asked: argparse.Namespace, _: CommandSettings) -> int:
    asked.file.parent.mkdir(parents=True, exist_ok=True)
    with asked.file.open("xb") as file:
        file.write(default_policy().read_bytes())
    print(asked.file)
    return 0


async def _started(path: Path, settings: CommandSettings) -> Guard:
    # Only the service needs a folder for the archive.
    guard = Guard(path, settings.archive or Path(), Files(weights=settings.weights))
    await guard.start()
    return guard


def _lines(file: Path, settings: CommandSettings) -> list[str]:
    is_stdin = str(file) == "-"
    content = sys.stdin.buffer.read() if is_stdin else named_files.find(file, settings.home).read_bytes()
    return [line for line in content.decode("utf-8", "replace").splitlines() if line.strip()]


def _described(text: str, found: list[RuleFinding]) -> dict[str, Any]:
    return {"text": text, "verdict": trial.state_of(found), "rules": [one._asdict() for one in found]}


def _show(text: str, found: list[RuleFinding]) -> None:
    verdicts = {
        State.ALLOW: "passes",
        State.REFUSE: "is refused",
        State.ERROR: "could not be judged",
        State.TIMEOUT: "was not judged in time",
        State.TOO_SLOW: "took too long to judge",
    }
    print(f"{text}\n  {verdicts[trial.state_of(found)]}")
    for one in found:
        score = "" if one.score is None else f", score {one.score:.2f}"
        span = "" if one.span is None else f", characters {one.span[0]} to {one.span[1]}"
        view = "" if one.view is None else f", view {one.view}"
        says = {State.ALLOW: "lets it pass", State.REFUSE: "finds something"}.get(one.state, one.state)
        only = " (only monitors)" if one.action is Action.MONITOR else ""
        print(f"  {one.rule}{only}: {says}{score}{view}{span}")


def _replayed(replayed: Replayed) -> dict[str, Any]:
    return {
        **replayed.record.model_dump(mode="json"),
        "now": replayed.state,
        "now_refused_by": replayed.rules,
    }


def _show_summary(summary: Summary) -> None:
    print(f"{summary.requests} requests judged again")
    if summary.unreadable:
        print(f"{summary.unreadable} could not be read: sealed to another key, or damaged")
    if summary.failed:
        print(f"{summary.failed} could not be judged")
    for rule, count in sorted(summary.refused_before.items()):
        print(f"{rule} refused {count}; {summary.let_through_now[rule]} of them would pass now")
    for rule, count in sorted(summary.refused_now.items()):
        print(f"{rule} would refuse {count}; {summary.newly_refused[rule]} of them had passed")
