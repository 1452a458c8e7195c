"""The consumer alone on the bus, and who approves requests in the filter's place."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self
from uuid import UUID

from nats.aio.subscription import Subscription

from harness.nats.bus import Bus
from harness.nats.cluster import Cluster
from harness.processes import plain_http
from harness.processes.ports import free_port
from harness.processes.process import BIN, Process
from harness.processes.wait import until
from stile_contracts import headers, subjects
from stile_contracts.errors import ErrorCode
from stile_contracts.ids import new_id
from stile_contracts.messages import ApprovedChat, ChatMessage, ErrorReply, Output, Role, Sampling

Heard = tuple[str, int, int, bytes]
"""An event's name, its attempt, its number, its body."""


class Consumer:
    """``stile-consumer`` as a process of its own; ``start`` may be called again after ``kill``.

    Args:
        folder: for its log.
        bus: started already.
        model_url: its llama.cpp.
        **settings: further variables.
    """

    def __init__(self, folder: Path, bus: Bus | Cluster, model_url: str, **settings: str) -> None:
        self.url = f"http://127.0.0.1:{(port := free_port())}"
        self._log = folder / "consumer.log"
        self._settings = {
            **bus.environment("consumer"),
            "STILE_LLAMA_URL": model_url,
            "STILE_CONSUMER_PORT": str(port),
            **settings,
        }

    async def start(self) -> Self:
        """Start it and wait until it is ready."""
        self.process = Process(BIN / "stile-consumer", log=self._log, env=self._settings)
        await until(self._is_ready, what="the consumer is ready")
        return self

    async def _is_ready(self) -> bool:
        return await plain_http.status(f"{self.url}/readyz") == 200


class Requester:
    """Approves as the filter does, and hears the answers as the gateway does."""

    def __init__(self, bus: Bus | Cluster) -> None:
        self._bus = bus

    async def start(self) -> Self:
        """Connect as both."""
        self._filter = await self._bus.connect("filter")
        self._gateway = await self._bus.connect("gateway")
        return self

    async def approve(
        self,
        prompt: str,
        *,
        events: str = "none",
        seconds: float = 60,
        output: Output | None = None,
        chat_id: UUID | None = None,
        before: Sequence[ChatMessage] = (),
        **sampling: Any,
    ) -> tuple[UUID, Subscription]:
        """Put a request into CHAT; return its id and what will hear its replies.

        Args:
            prompt: the last user turn.
            events: what the requester wants to hear.
            seconds: until its deadline.
            output: what the answer is to be.
            chat_id: a new one where none is given.
            before: questions and answers in turn; the oldest may be left out.
            **sampling: of the answer.
        """
        chat_id = chat_id or new_id()
        reply_to = f"{subjects.GATEWAY_INBOX}.test.{chat_id}"
        hearing = await self._gateway.subscribe(reply_to)
        await self._gateway.flush()
        approved = ApprovedChat(
            messages=[*before, ChatMessage(role=Role.USER, content=prompt)],
            exchanges=list(range(0, len(before) + 1, 2)) if before else None,
            sampling=Sampling(**sampling),
            output=output or Output(),
        )
        subject = subjects.approved(subjects.Lane.INTERACTIVE, "http-test", chat_id)
        await self._filter.jetstream().publish(
            subject,
            approved.model_dump_json(exclude_none=True).encode(),
            headers={
                headers.CHAT_ID: str(chat_id),
                headers.CHAT_CLIENT: "http-test",
                headers.CHAT_LANE: "interactive",
                headers.CHAT_DEADLINE: str(int((time.time() + seconds) * 1000)),
                headers.CHAT_EVENTS: events,
                headers.CHAT_REPLY_TO: reply_to,
                headers.CHAT_BODY_SHA256: "00" * 32,
            },
        )
        await self._filter.publish(subjects.WAKE, subject.encode())
        return chat_id, hearing

    async def cancel(self, chat_id: UUID) -> None:
        """Cancel as the filter does a running request: store the outcome, then tell of it."""
        error = ErrorReply.of(ErrorCode.CANCELLED, "The request was cancelled.", chat_id=chat_id)
        body = error.model_dump_json(exclude_none=True).encode()
        await self._filter.jetstream().publish(subjects.result("http-test", chat_id), body)
        await self._filter.publish(subjects.cancelled("http-test", chat_id), b"")

    async def stored(self, chat_id: UUID) -> bytes:
        """Return the request's outcome as it lies in CHAT_RESULT."""
        message = await self._filter.jetstream().get_msg(
            subjects.RESULT_STREAM, subject=subjects.result("http-test", chat_id)
        )
        return bytes(message.data or b"")


async def hear_all(hearing: Subscription) -> list[Heard]:
    """Return every event up to the final one."""
    heard: list[Heard] = []
    while not heard or heard[-1][0] not in {"done", "error"}:
        message = await hearing.next_msg(timeout=30)
        said = message.headers
        attempt, seq = int(said[headers.CHAT_ATTEMPT]), int(said[headers.CHAT_SEQ])
        heard.append((said[headers.CHAT_EVENT], attempt, seq, message.data))
    return heard
