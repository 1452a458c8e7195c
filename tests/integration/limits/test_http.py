"""What the gateway says to requests that are none, as a process on a real nats-server."""

import asyncio
import contextlib
import json

import httpx
import pytest

from harness.clients.http_client import HttpClient
from harness.parts.gateway import Gateway, Responder
from harness.processes.process import BIN, Process
from harness.processes.wait import until
from stile_contracts.messages import ErrorReply

JSON = {"Content-Type": "application/json"}


@pytest.fixture
def gateway_settings():
    return {
        "STILE_MAX_BODY_BYTES": "2048",
        "STILE_MAX_HEADER_BYTES": "4096",
        "STILE_MAX_PROMPT_CHARS": "1000",
        "STILE_MAX_IN_FLIGHT": "3",
        "STILE_LOG_FORMAT": "json",
    }


async def raw(gateway, request):
    """Send bytes as they are; return all that comes back until the gateway closes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
    writer.write(request)
    answer = await asyncio.wait_for(reader.read(), 20)
    writer.close()
    return answer


def error_of(answer):
    return ErrorReply.model_validate_json(answer.content).error


ASK = b'{"prompt": "x"}'
LONG = b'{"prompt": "%s"}' % (b"x" * 1001)
TEXT = {"Content-Type": "text/plain"}
BROTLI = {**JSON, "Content-Encoding": "br"}


def keyed(key):
    return {**JSON, "Idempotency-Key": key}


CASES = [
    (("POST", "/chat", JSON, b'{"prompt": '), (422, "invalid_request", "body")),
    (("POST", "/chat", JSON, b"\xff\xfe"), (422, "invalid_request", "body")),
    (("POST", "/chat", JSON, b"{}"), (422, "invalid_request", "body")),
    (("POST", "/chat", JSON, b'{"prompt": 1}'), (422, "invalid_request", "prompt")),
    (("POST", "/chat", JSON, LONG), (422, "invalid_request", "prompt")),
    (("POST", "/chat", JSON, b"x" * 2049), (413, "too_large", "body")),
    (("POST", "/chat", {}, ASK), (415, "unsupported_media_type", "Content-Type")),
    (("POST", "/chat", TEXT, ASK), (415, "unsupported_media_type", "Content-Type")),
    (("POST", "/chat", BROTLI, ASK), (415, "unsupported_media_type", "Content-Encoding")),
    (("POST", "/chat", keyed("a b"), ASK), (400, "invalid_header", "Idempotency-Key")),
    (("POST", "/chat", keyed("x" * 256), ASK), (400, "invalid_header", "Idempotency-Key")),
    (("POST", "/nothing", JSON, ASK), (404, "not_found", None)),
    (("GET", "/chat/", {}, b""), (404, "not_found", None)),
    (("GET", "/static-offline-docs/%2e%2e/%2e%2e/core.py", {}, b""), (404, "not_found", None)),
    (("GET", "/chat", {}, b""), (405, "method_not_allowed", None)),
    (("DELETE", "/readyz", {}, b""), (405, "method_not_allowed", None)),
]


async def test_what_cannot_be_answered_says_why(http):
    """Status and code in the one shape, the field or header at fault, and nothing of the inside."""
    for (method, path, headers, content), answered in CASES:
        answer = await http.request(method, path, headers=headers, content=content)
        error = error_of(answer)
        assert (answer.status_code, error.code, error.param) == answered, (method, path, headers, content)
        assert error.final
        assert error.id is None
        assert "site-packages" not in answer.text
        if answer.status_code == 405:
            assert answer.headers["allow"] in {"POST", "GET, HEAD"}


async def test_a_streamed_body_is_counted(http):
    """Without Content-Length the bytes are counted as they come."""

    async def endless():
        for _ in range(100):
            yield b"x" * 100

    answer = await http.post("/chat", content=endless(), headers=JSON)
    assert (answer.status_code, error_of(answer).code) == (413, "too_large")


async def test_a_request_id_goes_in_and_out(http, gateway):
    """A fit one comes back and stands in the log; an unfit one, or none, is replaced."""
    answer = await http.get("/nowhere", headers={"X-Request-Id": "abc-1.2/3=4"})
    assert answer.headers["x-request-id"] == "abc-1.2/3=4"
    for unfit in ("", "with space", "x" * 129, "<script>"):
        answer = await http.get("/nothing", headers={"X-Request-Id": unfit})
        assert answer.headers["x-request-id"] not in {"", unfit}
    await until(lambda: "abc-1.2/3=4" in gateway.process.output())
    lines = [json.loads(line) for line in gateway.process.output().splitlines()]
    line = next(line for line in lines if line.get("request_id") == "abc-1.2/3=4")
    assert (line["event"], line["route"], line["status"]) == ("request", "none", 404)


HEADS = [
    b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nA: " + b"x" * 5000 + b"\r\n\r\n",
    b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nA: " + b"x" * 5000,
    b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n" + b"A: xxxxxxxx\r\n" * 500,
    b"GET /" + b"x" * 5000,
    b"NONSENSE\r\n\r\n",
]


async def test_a_head_that_is_too_large_or_none_is_a_400(gateway):
    """Whole or not, it is answered in the one shape and the connection is closed."""
    for request in HEADS:
        head, body = (await raw(gateway, request)).split(b"\r\n\r\n", 1)
        assert head.startswith(b"HTTP/1.1 400 "), request[:40]
        assert ErrorReply.model_validate_json(body).error.code == "invalid_header"


async def test_a_head_that_never_ends_is_closed(gateway):
    """A connection that says nothing more does not stay open for ever."""
    began = asyncio.get_running_loop().time()
    assert await raw(gateway, b"GET /healthz HTTP/1.1\r\nHost:") == b""
    assert asyncio.get_running_loop().time() - began < 15


async def test_more_at_once_than_allowed_is_a_503(bus, gateway, http):
    """The gateway bounds what it holds; one more is told to come back, and nothing was stored of it."""
    release = asyncio.Event()

    async def answer_when_released(responder, request):
        await responder.accept(request)
        waiting.append(request)
        if len(waiting) == 3:
            release.set()

    waiting = []
    responder = await Responder(await bus.connect("filter"), answer_when_released).start()
    async with contextlib.AsyncExitStack() as stack:
        visitors = [await stack.enter_async_context(HttpClient(gateway.url, number)) for number in range(3)]
        held = [asyncio.create_task(one.http.post("/chat", json={"prompt": "x"})) for one in visitors]
        await asyncio.wait_for(release.wait(), 10)
        answer = await http.post("/chat", json={"prompt": "x"})
        assert (answer.status_code, error_of(answer).code) == (503, "queue_full")
        assert answer.headers["retry-after"] == "1"
        for request in waiting:
            await responder.finish(request)
        assert {answer.status_code for answer in await asyncio.gather(*held)} == {200}


async def test_the_documentation_needs_no_other_server(http):
    """The page and all that it loads come from the gateway itself."""
    page = await http.get("/docs")
    assert page.status_code == 200
    assert "//cdn" not in page.text
    for asset in ("swagger-ui-bundle.js", "swagger-ui.css", "favicon.png"):
        assert f"/static-offline-docs/{asset}" in page.text
        assert (await http.get(f"/static-offline-docs/{asset}")).status_code == 200
    document = (await http.get("/openapi.json")).json()
    chats = {"/chat", "/v1/chat", "/chat/{chat_id}", "/v1/chat/{chat_id}"}
    openai = {"/v1/chat/completions", "/v1/completions", "/v1/models", "/v1/models/{model}"}
    response = "/v1/responses/{response_id}"
    responses = {"/v1/responses", response, f"{response}/cancel", f"{response}/input_items"}
    ollama = {f"/api/{name}" for name in ("chat", "generate", "tags", "ps", "show", "version")}
    anthropic = {"/v1/messages", "/v1/messages/count_tokens"}
    operators = {"/queue", "/healthz", "/readyz", "/metrics"}
    assert set(document["paths"]) == chats | openai | responses | ollama | anthropic | operators


async def test_metrics_count_by_route_status_and_code(http):
    """The route's template is the label, so that no client makes labels."""
    await http.get("/nothing/at/all")
    await http.post("/chat", content=b"{}", headers=JSON)
    text = (await http.get("/metrics")).text
    assert 'stile_gateway_requests_total{code="not_found",route="none",status="404"} 1.0' in text
    assert 'stile_gateway_requests_total{code="invalid_request",route="/chat",status="422"} 1.0' in text
    assert "stile_gateway_in_flight 1.0" in text
    assert "stile_gateway_bus_connected 1.0" in text


async def test_other_origins_are_not_let_in_unless_set(bus, http, tmp_path):
    """No CORS header without the setting; with it, for those origins alone."""
    asked = {"Origin": "https://chat.example", "Access-Control-Request-Method": "POST"}
    answer = await http.options("/chat", headers=asked)
    assert "access-control-allow-origin" not in answer.headers
    gateway = await Gateway(bus, tmp_path, STILE_CORS_ORIGINS="https://chat.example").start()
    try:
        async with httpx.AsyncClient(base_url=gateway.url) as other:
            answer = await other.options("/chat", headers=asked)
            assert answer.headers["access-control-allow-origin"] == "https://chat.example"
            answer = await other.options("/chat", headers={**asked, "Origin": "https://evil.example"})
            assert "access-control-allow-origin" not in answer.headers
    finally:
        await gateway.stop()


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("STILE_PORT", "70000"),
        ("STILE_PORT", "http"),
        ("STILE_ACCEPT_TIMEOUT", "0"),
        ("STILE_ACCEPT_TIMEOUT", "601"),
        ("STILE_NATS_URL", "localhost"),
        ("STILE_NATS_NKEY_FILE", "/nowhere/gateway.nk"),
        ("STILE_NATS_NKEY_FILE", __file__),
        ("STILE_LOG_LEVEL", "loud"),
        ("STILE_MAX_MESSAGES", "-1"),
    ],
)
async def test_a_bad_setting_stops_the_start(tmp_path, variable, value):
    """One line that names the variable, exit code 1."""
    process = Process(BIN / "stile-gateway", log=tmp_path / "log", env={variable: value})
    await until(lambda: process.exit_code is not None, within=30)
    assert process.exit_code == 1
    assert variable in process.output()
    assert process.output().count("\n") == 1


async def test_a_port_in_use_stops_the_start(bus, gateway, tmp_path):
    """It says so, with exit code 1."""
    process = Process(
        BIN / "stile-gateway",
        log=tmp_path / "second.log",
        env={**bus.environment("gateway"), "STILE_PORT": str(gateway.port)},
    )
    await until(lambda: process.exit_code is not None, within=30)
    assert process.exit_code == 1
    assert "address already in use" in process.output()
