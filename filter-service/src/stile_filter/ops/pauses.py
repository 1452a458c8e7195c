"""What keeps the event loop's pauses short, while threads search long texts.

Measured with a history of 900 kB beside short requests: a thread that wants the interpreter asks for it after
5 ms by default, and a short request asks about ten times; a full collection of garbage took 74 ms, nearly all
of it over the automata of the keyword lists, which stay.
"""

import sys

_SWITCH_SECONDS = 0.0005


def share_the_interpreter() -> None:
    """Have a thread give the interpreter to another one after half a millisecond."""
    sys.setswitchinterval(_SWITCH_SECONDS)
