"""Stored responses: what was asked lies in CHAT_CONVERSATION, the answer in CHAT_RESULT."""

import re
from typing import Any, NamedTuple
from uuid import UUID

from stile_contracts.errors import ErrorCode
from stile_contracts.messages import Reply
from stile_gateway.dialects.responses.answer import Shape, chat_id_of
from stile_gateway.dialects.responses.call import Earlier, Record
from stile_gateway.dialects.responses.items import (
    ItemReference,
    Messages,
    input_items,
    message_of,
    split,
)
from stile_gateway.dialects.responses.request import ResponseRequest
from stile_gateway.errors import InvalidRequestError, NotFoundError, RelayedError
from stile_gateway.requests.conversations import Conversations
from stile_gateway.requests.events import ReplyEvent
from stile_gateway.requests.service import RequestService

_ITEM = re.compile(r"(msg|fc|rs|item)_([0-9a-f-]{36})(?:_([0-9]{1,6}))?")


class Stored(NamedTuple):
    """One stored response."""

    chat_id: UUID
    record: Record

    @property
    def shape(self) -> Shape:
        """What writes it."""
        return Shape(self.chat_id, self.record)


class StoredResponses:
    """The stored responses of one client.

    Args:
        requests: has the answers.
        conversations: has what was asked.
        client: whose they are; another client's are not found.
    """

    def __init__(self, requests: RequestService, conversations: Conversations, client: str) -> None:
        self._requests = requests
        self._conversations = conversations
        self._client = client

    async def find(self, name: str) -> Stored:
        """Return a response.

        Raises:
            NotFoundError: there is none, or it was deleted.
        """
        chat_id = chat_id_of(name)
        record = await self._conversations.read(self._client, chat_id) if chat_id else None
        if chat_id is None or record is None:
            known = f" with id '{name}'" if chat_id else ""
            raise NotFoundError(f"Response{known} not found.", param="response_id")
        return Stored(chat_id, Record.parse(record))

    async def earlier(self, asked: ResponseRequest) -> Earlier:
        """Return what a request refers to.

        Raises:
            NotFoundError: the response that it continues is not there.
            InvalidRequestError: that response has no answer.
        """
        messages: Messages = []
        if asked.previous_response_id is not None:
            messages = await self._continued(asked.previous_response_id)
        items: dict[str, Messages] = {}
        for item in asked.input:
            if isinstance(item, ItemReference):
                found = await self._item(item.id)
                if found is not None:
                    items[item.id] = found
        return Earlier(messages, items)

    async def _continued(self, name: str) -> Messages:
        param = "previous_response_id"
        try:
            stored = await self.find(name)
            event = await self._requests.status(self._client, stored.chat_id, 0)
        except NotFoundError as error:
            raise NotFoundError(f"Previous r{error.message[1:]}", param=param) from None
        except RelayedError as error:
            if error.code is ErrorCode.NOT_FOUND:
                raise NotFoundError(f"Previous response with id '{name}' not found.", param=param) from None
            if error.is_result:
                raise InvalidRequestError("The previous response failed.", param=param) from None
            raise
        if not isinstance(event.body, Reply):
            raise InvalidRequestError("The previous response is not complete yet.", param=param)
        return [*stored.record.messages, message_of(event.body)]

    async def _item(self, name: str) -> Messages | None:
        """Return the messages of an item; None if there is none of this id."""
        found = _ITEM.fullmatch(name)
        if found is None:
            return None
        kind, index = found[1], int(found[3] or 0)
        try:
            stored = await self.find(f"resp_{found[2]}")
            if kind == "item":
                return split(stored.record.sent)[index : index + 1] or None
            event = await self._requests.status(self._client, stored.chat_id, 0)
        except NotFoundError:
            return None
        except RelayedError as error:
            if error.is_result or error.code is ErrorCode.NOT_FOUND:
                return None
            raise
        return _output_item(event, kind, index)

    async def delete(self, stored: Stored) -> None:
        """Delete what was asked, and end the request if it waits or runs."""
        await self._requests.cancel(self._client, stored.chat_id)
        await self._conversations.erase(self._client, stored.chat_id)


def items_of(stored: Stored) -> list[dict[str, Any]]:
    """Return the items that the client sent with a request, oldest first."""
    return input_items(stored.chat_id, stored.record.sent)


def _output_item(event: ReplyEvent, kind: str, index: int) -> Messages | None:
    """Return the messages of an item of an answer: its text, one of its calls, or what was thought."""
    if kind == "rs":
        return []
    if not isinstance(event.body, Reply):
        return None
    found = split([message_of(event.body)])
    if kind == "msg":
        return [message for message in found if message["content"] is not None] or None
    return [message for message in found if message["content"] is None][index : index + 1] or None
