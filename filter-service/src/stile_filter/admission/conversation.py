"""The conversation as the model gets it: one system message, the owner's text first."""

from collections.abc import Sequence

from stile_contracts.errors import ErrorCode
from stile_contracts.messages import OWNERS_END, ChatMessage, ChatRequest, Role
from stile_filter.errors import RequestError
from stile_filter.guard import call_ids
from stile_filter.guard.hidden.cleaning import EqualNamesError
from stile_filter.guard.texts import RequestTexts

_APART = "\n\n"


def as_user(request: ChatRequest) -> ChatRequest:
    """Return the request with its system messages as messages of the user."""
    messages = [
        message.model_copy(update={"role": Role.USER}) if message.role is Role.SYSTEM else message
        for message in request.messages or ()
    ]
    return request.model_copy(update={"messages": messages or None})


def cleaned(request: ChatRequest, *, trims: bool) -> RequestTexts:
    """Return the texts of the request without the invisible characters that mean nothing.

    Raises:
        RequestError: two names in it differ in nothing else.
    """
    try:
        return RequestTexts(request, trims=trims, cleans=True)
    except EqualNamesError as error:
        raise RequestError(
            ErrorCode.INVALID_REQUEST,
            "two names of one object differ only in invisible characters; give them different names",
        ) from error


def approved(turns: Sequence[ChatMessage], owners: str | None, *, joins_users: bool) -> list[ChatMessage]:
    """Return the turns as the model gets them.

    Many templates take only one system message, at the beginning. So all system messages of the client
    become one message with the owner's text, which comes first.

    Args:
        turns: the client's.
        owners: the policy's system prompt.
        joins_users: whether messages of the user in a row become one: some templates take only questions
            and answers in turn.
    """
    clients = _APART.join(turn.content or "" for turn in turns if turn.role is Role.SYSTEM)
    others = [_filled(turn) for turn in turns if turn.role is not Role.SYSTEM]
    if joins_users:
        others = _joined(others)
    text = OWNERS_END.join(part for part in (owners, clients) if part)
    # An approval has a message, even if the client sent an empty system message alone.
    system = [ChatMessage(role=Role.SYSTEM, content=text)] if text or not others else []
    return [*system, *call_ids.renumbered(others)]


def exchanges(messages: Sequence[ChatMessage]) -> list[int]:
    """Return the index of each exchange's first message.

    An exchange is what the user says, with all that follows up to what the user says next. What comes before
    the user's first message belongs to the first one.
    """
    starts: list[int] = []
    has_question = False
    for index, message in enumerate(messages):
        is_question = message.role is Role.USER
        is_next = is_question and has_question and messages[index - 1].role is not Role.USER
        if message.role is not Role.SYSTEM and (is_next or not starts):
            starts.append(index)
        has_question |= is_question
    return starts


def _filled(turn: ChatMessage) -> ChatMessage:
    """Return the turn with a content: llama.cpp takes no turn without content and calls."""
    is_empty = turn.content is None and not turn.tool_calls
    return turn.model_copy(update={"content": ""}) if is_empty else turn


def _joined(turns: Sequence[ChatMessage]) -> list[ChatMessage]:
    joined: list[ChatMessage] = []
    for turn in turns:
        if joined and turn.role is Role.USER is joined[-1].role:
            content = _APART.join((joined[-1].content or "", turn.content or ""))
            joined[-1] = turn.model_copy(update={"content": content})
        else:
            joined.append(turn)
    return joined
