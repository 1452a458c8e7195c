"""The places of a request: a filter names them as in the ``ChatRequest``, a client as in its request."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

_MESSAGE = re.compile(r"messages\[(\d+)\](.*)", re.DOTALL)
_FORMAT = "response_format"
_CONVERSATION = "messages"


@dataclass(frozen=True, slots=True)
class Places:
    """The places of one request.

    Args:
        messages: of each message; None: as in the ``ChatRequest``.
        response_format: what the client calls that field.
        conversation: what the client calls all messages together.
    """

    messages: Sequence[str] | None = None
    response_format: str = _FORMAT
    conversation: str = _CONVERSATION

    def own(self, place: str) -> str:
        """Translate a place, or a field below one."""
        if place.partition(".")[0] == _FORMAT:
            # What is below it has the same name only in the API that has the field itself.
            return place if self.response_format == _FORMAT else self.response_format
        if place == _CONVERSATION:
            return self.conversation
        found = _MESSAGE.fullmatch(place)
        if found is None or self.messages is None or int(found[1]) >= len(self.messages):
            return place
        own = self.messages[int(found[1])]
        # Only a list of messages has fields of these names.
        return own + found[2] if own.startswith("messages[") else own


AS_SENT = Places()
"""Of a request that is sent as a ``ChatRequest``."""
