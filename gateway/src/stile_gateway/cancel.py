"""The use case: a client wants its request no more. Knows no framework."""

import time
from uuid import UUID

from pydantic import ValidationError

from stile_contracts import headers
from stile_contracts.ids import new_id
from stile_contracts.messages import CancelReceipt, ErrorReply
from stile_gateway.errors import AcceptTimeoutError, InternalError, NoFilterError, RelayedError
from stile_gateway.inbox import Delivery, Signal
from stile_gateway.port import NO_RESPONDERS_SECONDS, REPEAT_SECONDS, Bus


async def cancel(bus: Bus, client: str, chat_id: UUID, within: float) -> CancelReceipt:
    """Cancel the request ``chat_id`` of ``client``, and return what that has hit.

    It is said again where nothing is heard: cancelled twice is cancelled once.

    Args:
        bus: where it is said.
        client: whose request it is; another's is unknown.
        chat_id: which.
        within: seconds in which somebody must have answered.

    Raises:
        GatewayError: there is no receipt.
    """
    deadline = time.monotonic() + within
    heard_nobody = False
    with bus.inbox(f"cancel-{new_id()}") as inbox:
        while (left := deadline - time.monotonic()) > 0:
            await bus.cancel(client, chat_id, inbox)
            heard = await inbox.get(min(left, REPEAT_SECONDS))
            if isinstance(heard, Delivery):
                return _receipt(heard)
            heard_nobody = heard is Signal.NO_RESPONDERS
            if heard_nobody:
                await inbox.get(min(left, NO_RESPONDERS_SECONDS))
    if heard_nobody:
        raise NoFilterError("No filter is there; try again later.", retry_after=1)
    raise AcceptTimeoutError("Nothing was heard of the cancellation; it can be sent again.")


def _receipt(delivery: Delivery) -> CancelReceipt:
    try:
        if headers.NATS_ERROR in delivery.headers:
            raise RelayedError(ErrorReply.model_validate_json(delivery.body))
        return CancelReceipt.model_validate_json(delivery.body)
    except ValidationError as error:
        raise InternalError("The receipt could not be read.") from error
