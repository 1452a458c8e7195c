"""A model that says what a test wants it to say."""

import pytest_asyncio


@pytest_asyncio.fixture(loop_scope="session")
async def answers(system, chat_page):
    """Return a function that has the model answer ``pieces``, and waits until the page has them all."""

    async def answer(*pieces, token_seconds=0.0, chat_page=chat_page):
        await system.model.speed(tokens=len(pieces), token_seconds=token_seconds)
        await system.model.says(*pieces)
        await chat_page.ask("Say it")
        if not token_seconds:
            await chat_page.is_over()
        return chat_page.answer

    yield answer
    await system.model.says()
