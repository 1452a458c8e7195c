"""A model that says a banned word in its second sentence: what everybody receives, on real parts."""

import asyncio
import json

import httpx

from harness.processes.wait import until

TEXT = "The sky is blue. What the fuck is that? It is far."
WORD = "fuck"
SENT = TEXT[: TEXT.index(WORD)]
REFUSAL = "Ask your teacher."
EVENTS = {"Accept": "text/event-stream"}


def events(stream):
    """Return the events of ``/chat`` by their names, and the last id."""
    blocks = [
        dict(line.split(": ", 1) for line in block.splitlines()) for block in stream.split("\n\n") if block
    ]
    found = [(block["event"], json.loads(block["data"])) for block in blocks if "event" in block]
    ids = [block["id"] for block in blocks if "id" in block]
    return found, ids[-1] if ids else None


def text_of(found):
    return "".join(data["text"] for name, data in found if name == "token")


async def test_cut_at_every_position_nothing_of_the_word_is_sent(start_system):
    """Byte by byte: what is before the word, then the refusal; the next request finds the slot free."""
    system = await start_system()
    async with httpx.AsyncClient(base_url=system.url, timeout=60) as http:
        for at in range(1, len(TEXT)):
            await system.model.says(TEXT[:at], TEXT[at:])
            body = {"prompt": f"cut at {at}", "refusal_message": REFUSAL}
            answer = await http.post("/chat", json=body, headers=EVENTS)
            found, _ = events(answer.text)
            assert SENT.startswith(text_of(found)), at
            assert "fuc" not in answer.text
            name, done = found[-1]
            assert (name, done["response"], done["refused"]) == ("done", REFUSAL, True)
            assert (done["finish_reason"], done["refusal"]["place"]) == ("content_filter", "answer")
    log = await system.model.log()
    assert log["most_open"] == 1
    assert len(log["generations"]) == len(TEXT) - 1


async def test_letter_by_letter_what_is_before_the_word_is_sent(start_system):
    """Each letter is a token; a resumed stream and the stored result have nothing more, and no text of it."""
    system = await start_system(token_seconds=0.005)
    await system.model.says(*TEXT, *" And so it goes on." * 50)
    body = {"prompt": "x", "refusal_message": REFUSAL}
    key = {"Idempotency-Key": "k"}
    async with httpx.AsyncClient(base_url=system.url, timeout=60) as http:
        answer = await http.post("/chat", json=body, headers=EVENTS | key)
        found, last_id = events(answer.text)
        assert text_of(found) == SENT
        assert found[-1][1]["response"] == REFUSAL
        resumed = await http.post("/chat", json=body, headers=EVENTS | key | {"Last-Event-ID": last_id})
        assert [name for name, _ in events(resumed.text)[0] if name != "queued"] == ["done"]
        stored = (await http.post("/chat", json=body, headers=key)).json()
        assert stored == found[-1][1]
        for raw in (answer.text, resumed.text, json.dumps(stored)):
            assert "fuc" not in raw
            assert "far" not in raw
    # The model was stopped long before its end.
    await until(lambda: _ended(system), what="the slot is free")
    assert [generation["outcome"] for generation in (await system.model.log())["generations"]] == [
        "cancelled"
    ]


async def _ended(system):
    return all(generation["ended"] for generation in (await system.model.log())["generations"])


async def test_openais_addresses_say_content_filter(start_system):
    """Whole, the refusal alone; streamed, it follows what was sent; the reason is `content_filter`."""
    system = await start_system()
    await system.model.says(*TEXT)
    body = {"model": "standin", "messages": [{"role": "user", "content": "x"}]}
    async with httpx.AsyncClient(base_url=system.url, timeout=60) as http:
        [choice] = (await http.post("/v1/chat/completions", json=body)).json()["choices"]
        assert choice["finish_reason"] == "content_filter"
        assert choice["message"]["content"] == "This answer can't be shown here."
        stream = (await http.post("/v1/chat/completions", json={**body, "stream": True})).text
    data = [line.removeprefix("data: ") for line in stream.splitlines() if line.startswith("data: ")]
    assert data[-1] == "[DONE]"
    choices = [json.loads(one)["choices"][0] for one in data[:-1]]
    content = "".join(choice["delta"].get("content") or "" for choice in choices)
    sent, _, refusal = content.rpartition("\n\n")
    assert SENT.startswith(sent)
    assert refusal == "This answer can't be shown here."
    assert [choice["finish_reason"] for choice in choices if choice["finish_reason"]] == ["content_filter"]
    assert json.loads(data[-2])["stile"]["place"] == "answer"


async def test_a_direct_client_gets_the_refusal(start_system):
    """One message over NATS; and nothing of the word in CHAT_RESULT or in any log."""
    system = await start_system()
    await system.model.says(*TEXT)
    alice = await system.bus.connect("alice")
    body = json.dumps({"prompt": "x", "refusal_message": REFUSAL}).encode()
    reply = json.loads((await alice.request("chat.request", body, timeout=60)).data)
    assert (reply["response"], reply["refusal"]["place"]) == (REFUSAL, "answer")
    stored = [file.read_bytes() for file in system.folder.rglob("*.blk")]
    assert stored
    assert not [content for content in stored if WORD.encode() in content]
    assert "answer_refused" in system.parts["filter"].output()
    assert not [part for part, process in system.parts.items() if WORD in process.output()]


async def test_without_a_filter_the_answer_ends_in_an_error(start_system):
    """Killed in mid-answer and not back in time: nothing more is sent; with a filter again, all is well."""
    system = await start_system(token_seconds=0.05, settings={"STILE_ANSWER_CHECK_SECONDS": "1"})
    await system.model.says(*["word "] * 400)
    async with httpx.AsyncClient(base_url=system.url, timeout=60) as http:
        asking = asyncio.create_task(http.post("/chat", json={"prompt": "x"}, headers=EVENTS))
        await until(lambda: _writes(system), what="the model writes")
        system.parts["filter"].kill()
        found, _ = events((await asking).text)
        assert found[-1][1]["error"]["code"] == "answer_unchecked"
        await until(lambda: _ended(system), what="the slot is free")
        system.start_part("filter")
        await system.model.says("Fine.")
        assert (await http.post("/chat", json={"prompt": "y"})).json()["response"] == "Fine."


async def _writes(system):
    generations = (await system.model.log())["generations"]
    return generations and generations[-1]["tokens"] > 3
