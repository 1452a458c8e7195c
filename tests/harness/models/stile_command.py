"""The `stile` command with a hub on loopback in the place of huggingface.co."""

import os
import subprocess
import sys
from pathlib import Path

STILE = Path(sys.executable).with_name("stile")


def stile(root, *arguments, hub):
    """Run a `stile` command as a person does.

    Args:
        root: the folder of Stile's own files (``catalogue.make_root``).
        arguments: of the command.
        hub: the hub's address.
    """
    environment = {
        **os.environ,
        "STILE_ROOT": str(root),
        "STILE_HOME": str(root / "home"),
        "HF_ENDPOINT": hub,
        "HF_HUB_OFFLINE": "0",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "HF_HUB_ETAG_TIMEOUT": "3",
        "HF_HUB_DOWNLOAD_TIMEOUT": "3",
    }
    return subprocess.run(
        [STILE, *arguments], env=environment, capture_output=True, text=True, timeout=120, check=False
    )
