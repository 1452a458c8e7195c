"""Whether the workers have answers checked, by their heartbeats.

A worker of an earlier version does not know ``check_answer``, and would send what no filter has checked. So a
filter whose policy has rules for answers does not approve for it (docs/adr/0036).
"""

from stile_filter.guard.policy import Policy
from stile_runtime.fleet import Fleet


def fault(policy: Policy, fleet: Fleet) -> str | None:
    """Return why an answer could be sent unchecked now, or None if every known worker has them checked."""
    if not policy.checks_answers:
        return None
    ignoring = sum(heartbeat.checks_answers is not True for heartbeat in fleet.alive("consumer"))
    if not ignoring:
        return None
    return f"workers of an earlier version send answers that no filter has checked; such workers: {ignoring}"
