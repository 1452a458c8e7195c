"""The streams CHAT, CHAT_RESULT and CHAT_DLQ.

``protocol`` says what the filter needs of them, ``jetstream`` does it on nats-server, and ``calls`` makes one
call of JetStream's API. The tests' ``FakeStore`` does it in memory; one test holds both to the same answers.
"""

from stile_filter.store.protocol import (
    Approval,
    ChatLook,
    RequestId,
    ResultRecord,
    ResultRoom,
    Room,
    Store,
    StoredMessage,
    UndeliverableMessage,
)

__all__ = [
    "Approval",
    "ChatLook",
    "RequestId",
    "ResultRecord",
    "ResultRoom",
    "Room",
    "Store",
    "StoredMessage",
    "UndeliverableMessage",
]
