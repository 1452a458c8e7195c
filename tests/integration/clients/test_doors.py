"""What clients send beside the request itself, and what they read beside the answer."""

import gzip
import json
import zlib

import pytest
import zstandard

from harness.parts.gateway import Responder

CHAT = "/v1/chat/completions"
ASK = {"messages": [{"role": "user", "content": "Why?"}]}
PAGE = "https://page.example"
MAX_BYTES = 100_000


@pytest.fixture
def gateway_settings():
    return {"STILE_CORS_ORIGINS": PAGE, "STILE_MAX_BODY_BYTES": str(MAX_BYTES), "STILE_MAX_MESSAGES": "5"}


async def test_a_head_is_a_get_without_a_body(http):
    """Wherever there is a GET, with the same status; elsewhere it is not allowed."""
    for path in ("/", "/healthz", "/readyz", "/metrics", "/v1/models", "/v1/models/none", "/queue", "/docs"):
        got, head = await http.get(path), await http.head(path)
        assert (head.status_code, head.content) == (got.status_code, b""), path
        assert head.headers["content-type"] == got.headers["content-type"], path
    wrong = await http.head("/chat")
    assert (wrong.status_code, wrong.headers["allow"]) == (405, "POST")


async def test_a_head_of_a_stream_ends(bus, http):
    """It does not follow the request."""
    await Responder(await bus.connect("filter"), Responder.accept).start()
    later = await http.post("/chat", json={"prompt": "x"}, headers={"Prefer": "respond-async"})
    for accept in ("application/json", "text/event-stream"):
        head = await http.head(later.headers["location"], headers={"Accept": accept})
        assert (head.status_code, head.content) == (202 if "json" in accept else 200, b"")


async def test_a_page_of_an_allowed_origin_may_send_its_clients_headers(http):
    """Those of openai-node and LangChain, and those of Stile's own documents."""
    wanted = (
        "authorization,content-type,x-stainless-lang,x-stainless-retry-count,x-stainless-timeout,"
        "openai-organization,openai-project,openai-beta,user-agent,traceparent,idempotency-key,stile-lane"
    )
    for origin, status in ((PAGE, 200), ("https://other.example", 400)):
        asked = {"Origin": origin, "Access-Control-Request-Method": "POST"}
        answer = await http.options(CHAT, headers={**asked, "Access-Control-Request-Headers": wanted})
        assert answer.status_code == status
    answer = await http.get("/v1/models", headers={"Origin": PAGE})
    assert "openai-processing-ms" in answer.headers["access-control-expose-headers"]


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        ("/v1/embeddings", {"message", "type", "param", "code"}),
        ("/v1/audio/speech", {"message", "type", "param", "code"}),
        ("/chat/completions", {"message", "type", "param", "code"}),
        ("/v1/messages/batches", {"message", "type"}),
        ("/none", {"message", "type", "code", "final"}),
    ],
)
async def test_an_api_that_is_not_there_says_what_is(http, path, fields):
    """In the shape of the API whose address it is."""
    answer = await http.post(path, json=ASK)
    error = answer.json()["error"]
    assert answer.status_code == 404
    assert set(error) == fields
    assert "/v1/chat/completions" in error["message"]


async def test_an_address_that_ollama_does_not_have_says_what_is(http):
    """Its errors are a text."""
    answer = await http.post("/api/none", json=ASK)
    assert answer.status_code == 404
    assert "/api/chat" in answer.json()["error"]
    assert "/api/pull" not in answer.json()["error"]


CODINGS = {
    "gzip": gzip.compress,
    "x-gzip": gzip.compress,
    "GZIP": lambda body: gzip.compress(body[:9], mtime=0) + gzip.compress(body[9:]),
    "zstd": zstandard.compress,
    "Zstd": lambda body: zstandard.compress(body[:9]) + zstandard.compress(body[9:]),
}


@pytest.mark.parametrize("path", ["/chat", CHAT])
async def test_a_compressed_body_is_read(bus, http, path):
    """In one part and in several, and in many pieces."""
    responder = await Responder(await bus.connect("filter"), Responder.whole).start()
    body = json.dumps({"messages": [{"role": "user", "content": "Why? " * 10_000}]}).encode()
    for coding, compress in CODINGS.items():
        headers = {"Content-Type": "application/json", "Content-Encoding": coding}
        whole = compress(body)

        async def pieces(whole=whole):
            for start in range(0, len(whole), 11):
                yield whole[start : start + 11]

        for content in (whole, pieces()):
            assert (await http.post(path, content=content, headers=headers)).status_code == 200, coding
            assert json.loads(responder.requests[-1].data) == json.loads(body)


@pytest.mark.parametrize(
    ("coding", "body", "status", "code"),
    [
        ("gzip", gzip.compress(b" " * 50_000_000, mtime=0), 413, "too_large"),
        ("zstd", zstandard.compress(b" " * 500_000_000), 413, "too_large"),
        ("zstd", zstandard.compress(b" " * (MAX_BYTES + 1)), 413, "too_large"),
        ("gzip", gzip.compress(b'{"prompt": "x"}', mtime=0)[:-4], 422, "invalid_request"),
        ("zstd", zstandard.compress(b'{"prompt": "x"}')[:-4], 422, "invalid_request"),
        ("gzip", b'{"prompt": "x"}', 422, "invalid_request"),
        ("zstd", b'{"prompt": "x"}', 422, "invalid_request"),
        ("gzip", b"", 422, "invalid_request"),
        ("deflate", zlib.compress(b'{"prompt": "x"}'), 415, "unsupported_media_type"),
        ("br", b"x", 415, "unsupported_media_type"),
        ("gzip, zstd", b"x", 415, "unsupported_media_type"),
    ],
)
async def test_what_cannot_be_decompressed_is_an_error(http, coding, body, status, code):
    """A bomb is too large; another coding is told which there are."""
    headers = {"Content-Type": "application/json", "Content-Encoding": coding}
    answer = await http.post("/chat", content=body, headers=headers)
    error = answer.json()["error"]
    assert (answer.status_code, error["code"]) == (status, code)
    if status == 415:
        assert "gzip, zstd" in error["message"]


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"{", "invalid_request"),
        (b'{"messages": 1}', "invalid_request"),
        (
            b'{"messages": [{"role": "user", "content": "x"}], "more": %b}' % (b"[" * 150 + b"]" * 150),
            "invalid_request",
        ),
        (b'{"messages": [{"role": "user", "content": "x"}], "more": 1e400}', "invalid_request"),
        (b'{"messages": [{"role": "user", "content": "x"}], "more": NaN}', "invalid_request"),
        (b'{"messages": [{"role": "user", "content": "x"}], "more": %b}' % (b"1" * 400), "invalid_request"),
        (json.dumps({"messages": ASK["messages"] * 6}).encode(), "context_length_exceeded"),
        (b'{"messages": [{"role": "user", "content": "x"}], "grammar": "x"}', "unsupported_parameter"),
    ],
)
async def test_an_invalid_request_is_a_400_at_openais_addresses(http, body, code):
    """And a 422 at ``/chat``, for what both take."""
    json_body = {"Content-Type": "application/json"}
    answer = await http.post(CHAT, content=body, headers=json_body)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, code)
    assert answer.json()["error"]["type"] == "invalid_request_error"
    other = await http.post("/chat", content=body, headers=json_body)
    assert (other.status_code, other.json()["error"]["code"]) == (422, "invalid_request")


@pytest.mark.parametrize("stream", [False, True])
async def test_a_conversation_that_is_too_long_is_told_with_its_numbers(bus, http, stream):
    """The filter's limit of characters too."""

    async def too_long(responder, request):
        await responder.fail(request, "context_length_exceeded", n_ctx=2048, n_prompt_tokens=4007, final=True)

    await Responder(await bus.connect("filter"), too_long).start()
    answer = await http.post(CHAT, json={**ASK, "stream": stream})
    error = answer.json()["error"]
    assert (answer.status_code, error["code"]) == (400, "context_length_exceeded")
    assert (error["n_ctx"], error["n_prompt_tokens"]) == (2048, 4007)


@pytest.mark.parametrize(
    ("path", "ask", "words"),
    [
        ("/v1/responses", {"input": "Why?"}, "maximum context length is 2048 tokens"),
        ("/v1/completions", {"prompt": "Why?"}, "maximum context length is 2048 tokens"),
        (
            "/api/chat",
            {**ASK, "model": "m"},
            "request (4007 tokens) exceeds the available context size (2048",
        ),
        ("/api/generate", {"prompt": "x", "model": "m"}, "exceeds the available context size (2048 tokens)"),
        ("/v1/messages", {**ASK, "model": "m", "max_tokens": 9}, "prompt is too long: 4007 tokens > 2048"),
    ],
)
async def test_each_api_has_its_own_words_for_it(bus, http, path, ask, words):
    """By which its clients know it, streamed too."""

    async def too_long(responder, request):
        message = "This model's maximum context length is 2048 tokens."
        fields = {"message": message, "n_ctx": 2048, "n_prompt_tokens": 4007}
        await responder.fail(request, "context_length_exceeded", final=True, **fields)

    await Responder(await bus.connect("filter"), too_long).start()
    for stream in (False, True):
        answer = await http.post(path, json={**ask, "stream": stream})
        assert answer.status_code == 400
        assert words in answer.text


@pytest.mark.parametrize(
    "path",
    [
        "/chat",
        CHAT,
        "/v1/responses",
        "/v1/completions",
        "/api/chat",
        "/api/generate",
        "/api/show",
        "/v1/messages",
    ],
)
@pytest.mark.parametrize(
    "more", [b"[" * 150 + b"]" * 150, b"1" * 400, b"-" + b"1" * 5000, b"NaN", b"-Infinity", b"1e400"]
)
async def test_no_api_fails_at_json_that_not_all_read(http, path, more):
    """It is the request's own fault everywhere."""
    body = b'{"model": "m", "input": "x", "prompt": "x", "max_tokens": 9, "more": %b}' % more
    answer = await http.post(path, content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == (422 if path == "/chat" else 400)


async def test_a_text_over_the_policys_limit_is_too_long(bus, http):
    """Clients that cut their conversation then do so."""

    async def too_large(responder, request):
        await responder.fail(request, "too_large", param="messages[0].content", final=True)

    await Responder(await bus.connect("filter"), too_large).start()
    answer = await http.post(CHAT, json=ASK)
    error = answer.json()["error"]
    assert (answer.status_code, error["code"]) == (400, "context_length_exceeded")
    assert "maximum context length" in error["message"]


@pytest.mark.parametrize("stream", [False, True])
async def test_thoughts_are_passed_on(bus, http, stream):
    """Whole and streamed, in both dialects; with the limit that ended them."""

    async def think(responder, request):
        await responder.accept(request)
        if request.headers["Chat-Events"] == "token":
            await responder.say(request, "started", 1, 0, id=request.headers["Chat-Id"])
            await responder.say(request, "token", 1, 1, text="", reasoning_content="Why ")
        await responder.finish(request, "", 3, reasoning_content="Why not?", finish_reason="length")

    await Responder(await bus.connect("filter"), think).start()
    openais = await http.post(CHAT, json={**ASK, "stream": stream})
    own = await http.post("/chat", json={"prompt": "x", "stream": stream})
    if not stream:
        [choice] = openais.json()["choices"]
        assert (choice["message"]["reasoning_content"], choice["finish_reason"]) == ("Why not?", "length")
        assert own.json()["reasoning_content"] == "Why not?"
        return
    lines = [line.removeprefix("data: ") for line in openais.text.splitlines() if line.startswith("data: {")]
    choices = [json.loads(line)["choices"][0] for line in lines]
    assert "".join(choice["delta"].get("reasoning_content", "") for choice in choices) == "Why not?"
    assert choices[-1]["finish_reason"] == "length"
    assert '"reasoning_content":"Why "' in own.text
    assert '"reasoning_content": "Why not?"' in own.text
