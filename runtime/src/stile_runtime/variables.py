"""The ``STILE_…`` variables: their common beginning, and the error of one that can't be used.

Apart from ``settings``, so that a command of `stile` can have it without the 0.3 s that pydantic-settings
takes to import.
"""

PREFIX = "STILE_"


class SettingsError(Exception):
    """A variable can't be used. The message is one line: its name and why, never its value."""


def variable(field: str) -> str:
    """Return the name of a field's environment variable."""
    return PREFIX + field.upper()
