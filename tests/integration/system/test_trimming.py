"""A conversation that is longer than the model can read: what is left out, and who is told."""

import json

import httpx
import pytest

from harness.processes.wait import until

CONTEXT = 60
"""Words that the stand-in reads; a quarter of it is kept free for the answer."""
OLDEST = {"Stile-Trim": "oldest"}
ANTHROPIC = {"anthropic-version": "2023-06-01"}


def exchange(number, words=8):
    """Return a question and its answer, together of twice so many words."""
    return [
        {"role": "user", "content": f"q{number} " + "word " * (words - 1)},
        {"role": "assistant", "content": f"a{number} " + "word " * (words - 1)},
    ]


def conversation(exchanges):
    return [
        {"role": "system", "content": "Be kind."},
        *(message for number in range(exchanges) for message in exchange(number)),
        {"role": "user", "content": "And now?"},
    ]


@pytest.fixture
async def system(start_system):
    """All parts, and a worker that knows how little its model can read."""
    system = await start_system()
    await system.model.faults(context=CONTEXT)
    async with httpx.AsyncClient(base_url=system.url) as http:

        async def known():
            models = (await http.get("/v1/models")).json()["data"]
            return [model.get("meta") for model in models] == [{"n_ctx": CONTEXT}]

        await until(known, what="the worker tells the context")
    return system


async def read(system):
    """Return the first word of each message that the model was given."""
    messages = (await system.model.log())["last"]["messages"]
    return [message["content"].split()[0] for message in messages]


async def test_the_oldest_exchanges_are_left_out_whole(system):
    """The answer says how many; without the header it is an error; what fits is left as it is."""
    async with httpx.AsyncClient(base_url=system.url, timeout=60) as http:
        body = {"messages": conversation(5)}
        error = await http.post("/chat", json=body)
        assert (error.status_code, error.json()["error"]["code"]) == (422, "context_length_exceeded")
        answer = await http.post("/chat", json=body, headers=OLDEST)
        assert (answer.status_code, answer.headers["Stile-Trimmed"], answer.json()["trimmed"]) == (
            200,
            "3",
            3,
        )
        assert await read(system) == ["Be", "q3", "a3", "q4", "a4", "And"]
        answer = await http.post("/chat", json={"messages": conversation(2)}, headers=OLDEST)
        assert "trimmed" not in answer.json()
        assert "Stile-Trimmed" not in answer.headers
        alone = {"messages": [{"role": "user", "content": "word " * 2 * CONTEXT}]}
        error = await http.post("/chat", json=alone, headers=OLDEST)
        assert (error.status_code, error.json()["error"]["code"]) == (422, "context_length_exceeded")


async def test_calls_of_tools_go_with_their_question(system):
    """No result of a tool is left without its call."""
    call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    tools = [{"type": "function", "function": {"name": "f"}}]
    messages = conversation(4)
    messages[2:3] = [
        {"role": "assistant", "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c", "content": "result " + "word " * 6},
        {"role": "assistant", "content": "a0"},
    ]
    async with httpx.AsyncClient(base_url=system.url, timeout=60) as http:
        answer = await http.post("/chat", json={"messages": messages, "tools": tools}, headers=OLDEST)
        assert answer.json()["trimmed"] == 2
        assert await read(system) == ["Be", "q2", "a2", "q3", "a3", "And"]


async def test_every_api_says_it(system):
    """Whole and streamed: OpenAI's, Anthropic's, Ollama's; and OpenAI's own word for it."""
    messages = conversation(5)
    anthropic = {"system": "Be kind.", "messages": messages[1:], "model": "stile", "max_tokens": 9}
    asked = [
        ("/v1/chat/completions", {"messages": messages, "model": "stile"}, OLDEST),
        ("/v1/messages", anthropic, OLDEST | ANTHROPIC),
        ("/api/chat", {"messages": messages, "model": "stile", "stream": False}, OLDEST),
        ("/v1/responses", {"input": messages, "truncation": "auto"}, {}),
    ]
    async with httpx.AsyncClient(base_url=system.url, timeout=60) as http:
        for path, body, headers in asked:
            answer = await http.post(path, json=body, headers=headers)
            assert (answer.headers.get("Stile-Trimmed"), answer.json()["stile"]) == ("3", {"trimmed": 3}), (
                path
            )
            stream = await http.post(path, json={**body, "stream": True}, headers=headers)
            assert '"stile":{"trimmed":3}' in stream.text.replace(" ", ""), path
        events = await http.post("/chat", json={"messages": messages, "stream": True}, headers=OLDEST)
        done = events.text.split("event: done\ndata: ")[1]
        assert json.loads(done)["trimmed"] == 3
        count = await http.post(
            "/v1/messages/count_tokens",
            json={key: value for key, value in anthropic.items() if key != "max_tokens"},
            headers=OLDEST | ANTHROPIC,
        )
        assert count.status_code == 400, "what is counted is not shortened"


async def test_the_owner_decides_without_a_header(start_system, tmp_path):
    """``trim: oldest`` of the policy; a client may say ``none``."""
    with (tmp_path / "unscanned.yml").open("a") as policy:
        policy.write("trim: oldest\n")
    system = await start_system()
    await system.model.faults(context=CONTEXT)
    async with httpx.AsyncClient(base_url=system.url, timeout=60) as http:

        async def trimmed():
            answer = await http.post("/chat", json={"messages": conversation(5)})
            return answer.status_code == 200 and answer.json().get("trimmed") == 3

        await until(trimmed, what="the oldest exchanges are left out")
        answer = await http.post("/chat", json={"messages": conversation(5)}, headers={"Stile-Trim": "none"})
        assert answer.json()["error"]["code"] == "context_length_exceeded"
        wrong = await http.post("/chat", json={"prompt": "x"}, headers={"Stile-Trim": "newest"})
        assert (wrong.status_code, wrong.json()["error"]["param"]) == (400, "Stile-Trim")
