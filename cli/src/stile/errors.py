"""What ends a command: one sentence for people that says what to do, and the exit code 1.

StileError
├── CredentialsError   a seed file that cannot be used
├── ModelError         a model that is not there, cannot be fetched, or is not what it should be
├── PortError          a port that another program holds
├── BusError           there is no bus, or it does not let one in
├── DeadLetterError    a dead letter that is not there, or cannot be read
├── ProvisionError     streams that cannot be made as described
├── PolicyError        a policy that cannot be used, by file, line and reason
├── PartError          a part that cannot be started, or that keeps dying
├── BackupError        a backup that cannot be written or restored
├── ArgumentError      an argument of the command line that is not text
└── RequestError       a question that got no answer

A variable or an argument that can't be used is ``stile_runtime.variables.SettingsError``.
"""


class StileError(Exception):
    """The root: `stile` prints the message on one line of stderr and exits 1."""


class CredentialsError(StileError):
    """A seed file that cannot be used; the message says which and why."""


class ModelError(StileError):
    """A model that is not there, cannot be fetched, or is not what it should be."""


class PortError(StileError):
    """A port that another program holds."""


class BusError(StileError):
    """There is no bus, or it does not let one in."""


class DeadLetterError(StileError):
    """A dead letter that is not there, or cannot be read or deleted."""


class ProvisionError(StileError):
    """The streams cannot be made as described; the message says which and why."""


class PolicyError(StileError):
    """A policy that cannot be used; the message has a line ``file:line: reason`` for each fault."""


class PartError(StileError):
    """A part that cannot be started, or keeps dying; ``last_lines`` are those of its output."""

    def __init__(self, message: str, last_lines: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.last_lines = last_lines


class BackupError(StileError):
    """A backup cannot be written or restored."""


class ArgumentError(StileError):
    """An argument of the command line cannot be used."""


class RequestError(StileError):
    """A question that got no answer."""
