"""The calls that Open WebUI makes, as its source has them.

It is not run here: it brings runtimes for models of its own.
"""

import json

import httpx
import pytest

from harness.models.llama import NAME

HEAD = {
    "Authorization": "Bearer none",
    "HTTP-Referer": "https://openwebui.com/",
    "X-Title": "Open WebUI",
}
"""What its router sends with every call (backend/open_webui/routers/openai.py)."""


@pytest.fixture
def http(system):
    """A client with Open WebUI's headers, at the URL that its settings hold."""
    with httpx.Client(base_url=f"{system.url}/v1", headers=HEAD, timeout=60) as client:
        yield client


def test_it_finds_the_model(http):
    """The list that fills its menu: `data`, an `id` each."""
    listed = http.get("/models")
    assert listed.status_code == 200
    assert [model["id"] for model in listed.json()["data"]] == [NAME]


def test_a_chat(http):
    """A streamed turn with a system prompt, an earlier answer, and the parameters of its side panel."""
    body = {
        "model": NAME,
        "stream": True,
        "stream_options": {"include_usage": True},
        "temperature": 0.8,
        "top_p": 0.9,
        "top_k": 40,
        "frequency_penalty": 0.1,
        "seed": 7,
        "stop": ["###"],
        "max_tokens": 16,
        "logit_bias": {},
        "messages": [
            {"role": "system", "content": "Be short."},
            {"role": "user", "content": "Hi"},
            {"role": "assistant", "content": "Hello."},
            {"role": "user", "content": [{"type": "text", "text": "How are you?"}]},
        ],
    }
    with http.stream("POST", "/chat/completions", json=body) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        lines = [line for line in answer.iter_lines() if line.startswith("data: ")]
    assert lines[-1] == "data: [DONE]"
    chunks = [json.loads(line.removeprefix("data: ")) for line in lines[:-1]]
    assert "".join(choice["delta"].get("content") or "" for c in chunks for choice in c["choices"])
    assert chunks[-1]["usage"]["completion_tokens"] > 0


def test_a_title(http):
    """Its own question after the first answer, whole, for the name of the conversation."""
    body = {
        "model": NAME,
        "stream": False,
        "max_completion_tokens": 16,
        "messages": [{"role": "user", "content": "### Task:\nGive a title of 3 to 5 words."}],
    }
    answer = http.post("/chat/completions", json=body)
    assert answer.status_code == 200
    assert answer.json()["choices"][0]["message"]["content"]
