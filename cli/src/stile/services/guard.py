"""What the running filter says of itself on ``/readyz``: its layers, and whether its policy is refused."""

from stile.errors import StileError
from stile.services import http

_POLICY = "policy: "
"""How the line begins that says why a changed policy is refused."""


def layers(url: str) -> list[str] | None:
    """Return a line for each group of layers: on, monitored, off; None if the filter is not ready.

    Args:
        url: the filter's ``/readyz``.
    """
    try:
        answer = _readyz(url)
    except http.Faults:
        return None
    return answer.text.splitlines()[1:] if answer.status == 200 else None


def refused_policy(url: str) -> str | None:
    """Return why the policy's file is refused; None if it is in use.

    Args:
        url: the filter's ``/readyz``.

    Raises:
        StileError: the filter does not answer.
    """
    try:
        lines = _readyz(url).text.splitlines()
    except http.Faults as error:
        raise StileError(
            f"the filter does not answer on {url}: `stile status` and its log say more"
        ) from error
    return next((line.removeprefix(_POLICY) for line in lines if line.startswith(_POLICY)), None)


def _readyz(url: str) -> http.Answer:
    return http.get(url, seconds=5.0)
