"""The ids of tool calls in an approval: the filter's own, as some templates write them into the prompt."""

from collections.abc import Sequence
from itertools import count

from stile_contracts.messages import ChatMessage


def renumbered(turns: Sequence[ChatMessage]) -> list[ChatMessage]:
    """Return the turns with ids of the filter's own, and every tool's answer still at its call.

    An answer belongs to the latest turn that has a call of its id; if several calls of that turn have it,
    the answers come in their order. An answer to no call gets an id that no call has.
    """
    new_ids = (f"call{number:05}" for number in count())
    called: dict[str, list[str]] = {}
    numbered: list[ChatMessage] = []
    for turn in turns:
        if turn.tool_calls:
            called.update({call.id: [] for call in turn.tool_calls})
            calls = []
            for call in turn.tool_calls:
                calls.append(call.model_copy(update={"id": next(new_ids)}))
                called[call.id].append(calls[-1].id)
            numbered.append(turn.model_copy(update={"tool_calls": calls}))
        elif turn.tool_call_id is not None:
            left = called.get(turn.tool_call_id) or called.setdefault(turn.tool_call_id, [next(new_ids)])
            # The last one stays: it may be answered again.
            own = left.pop(0) if len(left) > 1 else left[0]
            numbered.append(turn.model_copy(update={"tool_call_id": own}))
        else:
            numbered.append(turn)
    return numbered
