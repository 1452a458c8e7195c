"""Values of nats-server's configuration, which looks like JSON and is not quite."""

import json


def quoted(text: str) -> str:
    """Return ``text`` as a string of the configuration.

    nats-server parses a variable's value too: without quotes a space or ``#`` ends it, a bracket begins a
    list, and ``$`` names another variable.
    """
    return json.dumps(text, ensure_ascii=False)
