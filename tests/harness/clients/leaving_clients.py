"""Many clients at once, of whom most leave: in the queue, or in mid-answer."""

import asyncio
from contextlib import AsyncExitStack, aclosing
from dataclasses import dataclass, field

from nats.aio.client import Client

from harness.clients.http_client import Event, HttpClient
from harness.parts.system import System
from harness.processes.wait import until

SHORT = 3
"""Tokens of the answers that are waited for."""


@dataclass
class LeavingClients:
    """Who came and what they asked; of four, two leave in the queue and one in mid-answer.

    Args:
        size: how many clients.
        name: begins every prompt, so that rounds can be told apart.
    """

    size: int
    name: str
    answers: dict[str, str] = field(default_factory=dict)
    """What those who stayed were answered, by their prompts."""

    @property
    def in_queue(self) -> list[str]:
        """The prompts of those who leave before their turn."""
        return [self._prompt(number) for number in range(self.size) if number % 4 < 2]

    @property
    def in_answer(self) -> list[str]:
        """The prompts of those who leave at their first token."""
        return [self._prompt(number) for number in range(self.size) if number % 4 == 2]

    @property
    def staying(self) -> list[str]:
        """The prompts of those who wait for the end."""
        return [self._prompt(number) for number in range(self.size) if number % 4 == 3]

    @property
    def holding(self) -> str:
        """The prompt of the one that keeps the model until all have come."""
        return f"{self.name} holds"

    async def visit(self, system: System, provisioner: Client) -> None:
        """All connect while one answer is being written; half leave; then the model is let go.

        The stand-in's own answer should be of many seconds: nobody waits for the end of one.
        """
        self._opened = asyncio.Event()
        self._all_queued = asyncio.Barrier(self.size + 1)
        async with AsyncExitStack() as stack:
            holder = await stack.enter_async_context(HttpClient(system.url, self.size))
            async with aclosing(holder.events(self.holding)) as holding:
                await _heard("token", holding)
                async with asyncio.TaskGroup() as group:
                    for number in range(self.size):
                        group.create_task(self._client(system, number))
                    await self._all_queued.wait()
                    left = 1 + self.size - len(self.in_queue)
                    await until(
                        lambda: _holds(provisioner, left),
                        within=120,
                        what=f"CHAT holds no more than {left} requests",
                    )
                    await holding.aclose()
        await until(lambda: _holds(provisioner, 0), within=120, what="CHAT is empty")

    async def _client(self, system: System, number: int) -> None:
        prompt = self._prompt(number)
        async with HttpClient(system.url, number) as visitor:
            limit = {"max_tokens": SHORT} if number % 4 == 3 else {}
            async with aclosing(visitor.events(prompt, **limit)) as events:
                await _heard("queued", events)
                await self._all_queued.wait()
                if number % 4 < 2:
                    return
                if number % 4 == 2:
                    await _heard("token", events)
                    return
                done = await _heard("done", events)
                self.answers[prompt] = done.data["response"]

    def _prompt(self, number: int) -> str:
        return f"{self.name} client {number}"


async def _heard(name: str, events) -> Event:
    async for event in events:
        if event.name == "error":
            raise RuntimeError(str(event.data))
        if event.name == name:
            return event
    raise RuntimeError(f"the stream ended without {name}")


async def _holds(provisioner: Client, messages: int) -> bool:
    info = await provisioner.jetstream().stream_info("CHAT")
    return bool(info.state.messages <= messages)
