"""A turn of a conversation reads only what is new, though others asked in between: with the real model."""

import random

import pytest

from harness.models.llama import Llama
from harness.processes import plain_http
from stile.supervise import parts

WORDS = ["river", "mountain", "garden", "teacher", "walks", "winter", "apple", "train", "letter", "green"]


class Person:
    """A conversation of its own, behind a system prompt that may be everybody's."""

    def __init__(self, name, system):
        self._source = random.Random(name)  # noqa: S311 -- words, no secret
        self._messages = [{"role": "system", "content": system}]
        self._say("user", 60)
        self._say("assistant", 60)

    def _say(self, role, words):
        content = " ".join(self._source.choices(WORDS, k=words))
        self._messages.append({"role": role, "content": content})

    async def ask(self, llama):
        """Ask one more question; return how many tokens were read anew, and how many were there."""
        self._say("user", 5)
        request = {"messages": self._messages, "max_tokens": 4, "temperature": 0}
        async with plain_http.client() as client:
            answer = await client.post(f"{llama.url}/v1/chat/completions", json=request, timeout=240)
        body = answer.raise_for_status().json()
        self._messages.append(body["choices"][0]["message"])
        return body["timings"]["prompt_n"], body["timings"]["cache_n"]


@pytest.mark.parametrize("system_words", [3, 120], ids=["own", "one system prompt"])
async def test_a_turn_reads_only_what_is_new(tmp_path, system_words):
    """Also if all conversations begin with the same long system prompt, as a school's do."""
    system = " ".join((WORDS * 12)[:system_words])
    flags = ("--slot-prompt-similarity", parts.SIMILARITY)
    llama = await Llama(tmp_path, flags=flags, env={"LLAMA_ARG_CACHE_RAM": "256"}).start()
    try:
        people = [Person(name, system) for name in "abc"]
        for person in people:
            await person.ask(llama)
        for _ in range(2):
            for person in people:
                read, there = await person.ask(llama)
                assert (read < 40, there > 120) == (True, True), (read, there)
    finally:
        llama.stop()
