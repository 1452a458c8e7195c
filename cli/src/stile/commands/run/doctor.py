"""`stile doctor`: looks at what commonly goes wrong, and says what to do about each."""

import json

import typer

from stile.shell import listing

WARNED = 5
"""The exit code if nothing is wrong, but something should be looked at."""
WRONG = 6


def doctor(*, as_json: listing.AsJson = False) -> None:
    """Check what commonly goes wrong, and say what to do about it.

    Exit codes: 0 all is well, 1 nothing could be checked, 5 warnings, 6 something is wrong.
    """
    from stile.diagnosis import installation, machine  # noqa: PLC0415 -- `--help` needs none of it
    from stile.diagnosis.findings import Level, find  # noqa: PLC0415
    from stile.home import find_home, find_root  # noqa: PLC0415
    from stile.settings import Settings  # noqa: PLC0415
    from stile_runtime.installation import state  # noqa: PLC0415

    settings = Settings.load()
    root = find_root(settings)
    home = find_home(settings)
    checks = [
        *machine.checks(settings, root, home),
        *installation.checks(settings, root, home, state.read(home.state)),
    ]
    words = {Level.OK: "ok   ", Level.WARNING: "WARN ", Level.WRONG: "WRONG"}
    findings = []
    for finding in find(checks):
        findings.append(finding)
        if not as_json:
            typer.echo(f"{words[finding.level]} {finding.name}: {finding.text}")
    if as_json:
        typer.echo(json.dumps([finding._asdict() for finding in findings], indent=2))
    levels = {finding.level for finding in findings}
    if Level.WRONG in levels:
        raise typer.Exit(WRONG)
    if Level.WARNING in levels:
        raise typer.Exit(WARNED)
