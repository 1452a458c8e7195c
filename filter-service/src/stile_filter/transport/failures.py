"""What happens when a message can't be handled: one policy for every kind of message.

An error of the request is answered. An unconfirmed write is not answered, because it may be done: the
requester repeats. Any other failure is answered with a sentence of the filter's own. It is logged without the
exception's text, which may hold the request's.
"""

import traceback
from collections.abc import Awaitable, Callable

import structlog

from stile_contracts import subjects
from stile_contracts.errors import ErrorCode
from stile_filter.errors import BusError, RequestError, UnconfirmedError
from stile_filter.transport.message import IncomingMessage, OutgoingMessage
from stile_filter.transport.reply import Replies

DROPPED = "dropped"
"""The end of a message whose reply subject points elsewhere."""

UNCONFIRMED = "unconfirmed"

log = structlog.get_logger()


async def answered(
    kind: str,
    incoming: IncomingMessage,
    handle: Callable[[IncomingMessage, Replies], Awaitable[str]],
    *,
    writes: bool = True,
    needs_reply: bool = True,
) -> tuple[str, list[OutgoingMessage]]:
    """Handle a message and return how that ended, and what to send. Never raises.

    Args:
        kind: of message, for the log.
        incoming: the message.
        handle: adds what is to be sent, and returns how it ended.
        writes: whether handling stores something; if it does not, silence is an error like any other.
        needs_reply: whether a message without a reply subject is dropped.
    """
    if (incoming.reply_to or needs_reply) and not subjects.is_reply_allowed(incoming.reply_to):
        # The reply subject is the attack.
        log.warning("reply_subject_refused", subject=incoming.subject, reply_to=incoming.reply_to[:256])
        return DROPPED, []
    replies = Replies(incoming.reply_to)
    try:
        ended = await handle(incoming, replies)
    except RequestError as error:
        ended = error.code.value
        replies.error(error)
    except Exception as error:  # noqa: BLE001 -- the last resort: no request is left without an answer
        log_failure(error, kind, subject=incoming.subject, chat_id=str(replies.chat_id))
        if isinstance(error, UnconfirmedError) and writes:
            ended = UNCONFIRMED
        elif isinstance(error, BusError):
            ended = ErrorCode.BUS_UNAVAILABLE.value
            replies.error(RequestError(ErrorCode.BUS_UNAVAILABLE, "the bus can't be used now; try again"))
        else:
            ended = ErrorCode.INTERNAL.value
            replies.error(RequestError(ErrorCode.INTERNAL, "the filter failed; try again"))
    return ended, [message for message in replies.messages if message.subject]


def log_failure(error: Exception, kind: str, **context: object) -> None:
    """Log why a message could not be handled.

    Args:
        error: what was raised.
        kind: of message.
        context: which message.
    """
    if isinstance(error, BusError):
        log.warning("bus_failed", kind=kind, reason=str(error) or UNCONFIRMED, **context)
        return
    at = traceback.extract_tb(error.__traceback__)[-1]
    log.error(
        "handling_failed", kind=kind, error=type(error).__name__, at=f"{at.filename}:{at.lineno}", **context
    )
