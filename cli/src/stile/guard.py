"""What the running filter says of its layers."""

import os

import httpx

from stile.settings import authority


def layers(port: int) -> list[str] | None:
    """Return a line for the layers that are on, monitored and off; None if the filter is not ready.

    Args:
        port: where the filter of this machine tells its health.
    """
    host = os.environ.get("STILE_FILTER_HOST") or "127.0.0.1"
    try:
        answer = httpx.get(f"http://{authority(host, port)}/readyz", timeout=5.0, trust_env=False)
    except httpx.HTTPError:
        return None
    return answer.text.splitlines()[1:] if answer.status_code == httpx.codes.OK else None
