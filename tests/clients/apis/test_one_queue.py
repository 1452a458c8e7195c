"""Every API at once before the real model: all are answered, and all went through one queue."""

import asyncio
import re

import anthropic
import httpx
import ollama
import openai

from harness.models.llama import NAME

ASK = {"role": "user", "content": "Say hello."}
TOKENS = 8


async def jobs(system):
    """Return how many jobs the worker has done."""
    async with httpx.AsyncClient() as client:
        worker = (await client.get(f"http://127.0.0.1:{system.consumer_port}/metrics")).text
    return int(re.search(r'^stile_consumer_jobs_total\{outcome="done"\} (\d+)', worker, re.MULTILINE)[1])


async def chat(system, path):
    async with httpx.AsyncClient(timeout=120) as client:
        answer = await client.post(
            f"{system.url}{path}", json={"model": NAME, "messages": [ASK], "max_tokens": TOKENS}
        )
    return answer.raise_for_status().json()


async def of_ollama(system):
    async with ollama.AsyncClient(host=system.url, timeout=120) as client:
        parts = await client.chat(model=NAME, messages=[ASK], options={"num_predict": TOKENS}, stream=True)
        return "".join([part.message.content async for part in parts])


async def of_anthropic(system):
    async with anthropic.AsyncAnthropic(
        base_url=system.url, api_key="none", max_retries=0, timeout=120
    ) as client:
        answer = await client.messages.create(model=NAME, messages=[ASK], max_tokens=TOKENS)
        return answer.content[0].text


async def of_responses(system):
    async with openai.AsyncOpenAI(
        base_url=f"{system.url}/v1", api_key="none", max_retries=0, timeout=120
    ) as client:
        answer = await client.responses.create(model=NAME, input=[ASK], max_output_tokens=TOKENS)
        return answer.output_text


async def test_every_api_is_answered_through_one_queue(system):
    """The worker counts one job for each; nothing is answered beside it."""
    await chat(system, "/chat")
    before = await jobs(system)
    whole, completion, *texts = await asyncio.gather(
        chat(system, "/chat"),
        chat(system, "/v1/chat/completions"),
        of_ollama(system),
        of_anthropic(system),
        of_responses(system),
    )
    assert whole["response"]
    assert completion["choices"][0]["message"]["content"]
    assert all(texts)
    assert await jobs(system) == before + 5
