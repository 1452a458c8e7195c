"""The unit of systemd that runs `stile up` (systemd.service(5), systemd.exec(5))."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from stile.settings import SECRETS

_UNIT = """\
# Written by `stile systemd install`.
[Unit]
Description=Stile
After=network-online.target
Wants=network-online.target
# A wrong setting ends each start at once: give up after some of them, not never.
StartLimitIntervalSec=300
StartLimitBurst=10

[Service]
{user}ExecStart={program} up --detached
# Variables may name files from here; a minus: Stile starts without this folder, too.
WorkingDirectory=-{folder}
{environment}
# `stile up` stops its parts in order; what is left after that is killed.
KillMode=mixed
TimeoutStopSec=120
Restart=on-failure
RestartSec=5
LimitNOFILE=65536
UMask=0077
NoNewPrivileges=yes
LockPersonality=yes
RestrictSUIDSGID=yes
RestrictRealtime=yes
{hardening}
[Install]
WantedBy={target}
"""
_HARDENING = """\
PrivateTmp=yes
PrivateDevices={private_devices}
ProtectSystem=strict
ProtectHome=read-only
ProtectControlGroups=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX AF_NETLINK
ReadWritePaths={paths}
"""


def unit(  # noqa: PLR0913 -- each is one line of the unit
    *,
    program: Path,
    home: Path,
    root: Path,
    user: str | None,
    environ: Mapping[str, str],
    has_gpu: bool,
    folder: Path,
    writable: Sequence[Path] = (),
) -> str:
    """Return the unit's text.

    Args:
        program: ``stile``.
        home: the installation's folder.
        root: the folder with ``nats/`` and ``models/``.
        user: who runs it, as a unit of the system; None: a unit of the user who installs it, for whom
            systemd may not be able to make namespaces.
        environ: the variables of this process; those of Stile are taken over, but no secret, because
            everybody can read a unit.
        has_gpu: llama.cpp needs the devices.
        folder: where a variable's relative path begins.
        writable: what may be written beside the home, for a unit of the system.
    """
    taken = {
        name: value
        for name, value in environ.items()
        if name.startswith("STILE_") and value and name not in SECRETS
    } | {"STILE_HOME": str(home), "STILE_ROOT": str(root), "PYTHONUNBUFFERED": "1"}
    if path := environ.get("PATH"):
        taken["PATH"] = path  # a llama-server of one's own may be found on it
    variables = "\n".join(
        f"Environment={_quoted(f'{name}={value}')}" for name, value in sorted(taken.items())
    )
    # A minus: it may not be there. systemd would not start the unit.
    paths = " ".join([_quoted(str(home)), *(_quoted(f"-{path}") for path in writable)])
    hardening = _HARDENING.format(paths=paths, private_devices="no" if has_gpu else "yes")
    return _UNIT.format(
        user=f"User={user}\n" if user else "",
        program=_quoted(str(program), is_command=True),
        folder=str(folder).replace("%", "%%"),  # systemd reads no quotes here
        environment=variables,
        hardening=hardening if user else "",
        target="multi-user.target" if user else "default.target",
    )


def place(*, is_of_user: bool) -> Path:
    """Return the unit's file."""
    if not is_of_user:
        return Path("/etc/systemd/system/stile.service")
    configuration = os.environ.get("XDG_CONFIG_HOME")
    base = Path(configuration) if configuration else Path.home() / ".config"
    return base / "systemd" / "user" / "stile.service"


def is_journal(descriptor: int, environ: Mapping[str, str]) -> bool:
    """Return whether systemd's journal gets what is written to ``descriptor`` (systemd.exec(5))."""
    there = os.fstat(descriptor)
    return environ.get("JOURNAL_STREAM") == f"{there.st_dev}:{there.st_ino}"


def _quoted(text: str, *, is_command: bool = False) -> str:
    """Quote as systemd reads it (systemd.syntax(7)): % begins a specifier, $ a variable in a command."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("\n", "\\n")
    return f'"{escaped.replace("$", "$$") if is_command else escaped}"'
