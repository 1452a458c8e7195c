"""The filter's own errors; foreign ones are translated into these at the edge that meets them.

::

    FilterServiceError
     ├ StartError            stops the start: one line a fault on stderr, exit 1
     │  └ PolicyError        the policy, by file, line and reason
     ├ LostLoopError         ends the service: exit 1, so that whatever supervises it starts it again
     ├ RequestError          answered to the requester, with a code of ``stile_contracts.errors``
     └ BusError
        ├ UnconfirmedError   it may have been stored: nothing may be said
        └ UnavailableError   it was surely not stored
           ├ RefusedError    JetStream says no, with a number
           └ NoLeaderError   nobody answers for the stream just now

A variable that can't be used is ``stile_runtime.settings.SettingsError``.
"""

from pathlib import Path
from typing import NamedTuple

from stile_contracts.errors import ErrorCode
from stile_contracts.messages import Stage


class FilterServiceError(Exception):
    """What the filter raises."""


class StartError(FilterServiceError):
    """The service can't start as it is configured."""


class LostLoopError(FilterServiceError):
    """A background loop has ended by itself; without it the service would only look alive."""


class Fault(NamedTuple):
    """One thing that is wrong in a policy."""

    line: int
    """Counted from 1."""
    reason: str


class PolicyError(StartError):
    """The policy can't be used; ``str()`` gives one line ``file:line: reason`` a fault."""

    def __init__(self, file: Path, faults: list[Fault]) -> None:
        self.file = file
        self.faults = sorted(faults)
        super().__init__("\n".join(f"{file}:{fault.line}: {fault.reason}" for fault in self.faults))


class RequestError(FilterServiceError):
    """The request can't be let through; the requester is told.

    Args:
        code: which error; its table says the HTTP status and whether it is final.
        message: one sentence that says what to do, with nothing of the request's text.
        param: the field or header at fault.
        retry_after: seconds after which a repeat may do better.
        stage: where the request was, whose deadline passed.
        rule: the policy's rule that could not be checked, for the log of what happened.
    """

    def __init__(  # noqa: PLR0913 -- each is a field
        self,
        code: ErrorCode,
        message: str,
        *,
        param: str | None = None,
        retry_after: float | None = None,
        stage: Stage | None = None,
        rule: str | None = None,
    ) -> None:
        self.code = code
        self.message = message
        self.param = param
        self.retry_after = retry_after
        self.stage = stage
        self.rule = rule
        super().__init__(message)


class BusError(FilterServiceError):
    """The bus did not do what was asked."""


class UnconfirmedError(BusError):
    """No confirmation came in time: what was published may be stored, or not."""


class UnavailableError(BusError):
    """The bus said no, or can't be reached: surely nothing was stored."""


class RefusedError(UnavailableError):
    """JetStream did not do it.

    Args:
        reason: the server's words.
        number: the error's number (``err_code``), which keeps its meaning between versions.
    """

    def __init__(self, reason: str, number: int | None) -> None:
        self.number = number
        super().__init__(reason)


class NoLeaderError(UnavailableError):
    """Nobody answers for the stream: it is not there, or its servers are choosing who leads."""
