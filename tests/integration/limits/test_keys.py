"""API keys as HTTP clients meet them, and whose address counts behind a proxy."""

import asyncio

import httpx
import pytest

from harness.parts.gateway import Gateway, Responder, beat
from harness.processes.wait import until
from stile_runtime.api_keys import ApiKey, ApiKeys, digest

ASK = {"messages": [{"role": "user", "content": "Why?"}]}
ADA = {"Authorization": "Bearer key-of-ada"}
SLOW = {"Authorization": "Bearer key-of-slow"}
BATCH = {"Authorization": "Bearer key-of-batch"}
NEEDS_KEY = (
    ("POST", "/chat"),
    ("POST", "/v1/chat"),
    ("POST", "/v1/chat/completions"),
    ("POST", "/v1/responses"),
    ("GET", "/v1/responses/resp_0190a5d0-0000-7000-8000-000000000001"),
    ("DELETE", "/v1/responses/resp_0190a5d0-0000-7000-8000-000000000001"),
    ("POST", "/v1/responses/resp_0190a5d0-0000-7000-8000-000000000001/cancel"),
    ("GET", "/v1/responses/resp_0190a5d0-0000-7000-8000-000000000001/input_items"),
    ("POST", "/v1/completions"),
    ("GET", "/v1/models"),
    ("GET", "/v1/models/x"),
    ("GET", "/queue"),
    ("GET", "/chat/0190a5d0-0000-7000-8000-000000000001"),
    ("DELETE", "/chat/0190a5d0-0000-7000-8000-000000000001"),
)
OTHERS = (
    ("POST", "/api/chat"),
    ("POST", "/api/generate"),
    ("POST", "/api/show"),
    ("POST", "/api/pull"),
    ("GET", "/api/tags"),
    ("GET", "/api/ps"),
    ("GET", "/api/version"),
    ("POST", "/v1/messages"),
    ("POST", "/v1/messages/count_tokens"),
)
FREE = ("/healthz", "/readyz", "/metrics", "/openapi.json", "/docs")


def write(path, **limits):
    """Write a file with a key for each name; ``limits`` are their fields."""
    keys = [ApiKey(name=name, sha256=digest(f"key-of-{name}"), **fields) for name, fields in limits.items()]
    draft = path.with_suffix(".new")
    draft.write_text(ApiKeys(keys=tuple(keys)).model_dump_json())
    draft.rename(path)


@pytest.fixture
def keys(tmp_path):
    path = tmp_path / "keys.json"
    write(path, ada={}, slow={"max_in_flight": 1}, few={"requests_per_minute": 1}, batch={"lane": "batch"})
    return path


@pytest.fixture
def gateway_settings(keys):
    return {"STILE_API_KEYS": str(keys), "STILE_ACCEPT_TIMEOUT": "2"}


async def test_who_has_no_key_gets_no_further(bus, gateway, http):
    """Each address that asks the bus is shut, in its own clients' shape; health and the document are open."""
    responder = await Responder(await bus.connect("filter"), Responder.whole).start()
    for method, path in NEEDS_KEY:
        for headers in ({}, {"Authorization": "Bearer key-of-eve"}, {"Authorization": "Basic key-of-ada"}):
            answer = await http.request(method, path, json=ASK if method == "POST" else None, headers=headers)
            error = answer.json()["error"]
            assert (answer.status_code, error["code"]) == (401, "invalid_api_key"), path
            openais = any(word in path for word in ("completions", "responses", "models"))
            assert error["type"] == ("invalid_request_error" if openais else "stile_error"), path
            assert answer.headers["www-authenticate"] == "Bearer"
    for path in FREE:
        assert (await http.get(path)).status_code in {200, 503}, path
    assert responder.requests == responder.lookups == []
    assert "key-of" not in gateway.process.output()


async def test_the_apis_of_others_need_a_key_too(bus, http):
    """A 401 in their own shapes; the key may come as Anthropic's clients send it."""
    responder = await Responder(await bus.connect("filter"), Responder.whole).start()
    for method, path in OTHERS:
        for headers in ({}, {"X-Api-Key": "key-of-eve"}):
            answer = await http.request(method, path, json=ASK if method == "POST" else None, headers=headers)
            error = answer.json()["error"]
            assert answer.status_code == 401, path
            if path.startswith("/api"):
                assert "X-Api-Key" in error
            else:
                assert error["type"] == "authentication_error"
    assert responder.requests == []
    body = {**ASK, "model": "stile", "max_tokens": 5}
    answer = await http.post("/v1/messages", json=body, headers={"X-Api-Key": "key-of-ada"})
    assert answer.status_code == 200
    assert responder.requests[0].headers["Chat-Client"] == "http-ada"


async def test_a_keys_name_is_the_client_and_its_lane_the_lane(bus, http):
    """The bus knows who asks; a batch key asks for nothing else."""
    responder = await Responder(await bus.connect("filter"), Responder.whole).start()
    for path in ("/chat", "/v1/chat/completions"):
        assert (await http.post(path, json=ASK, headers=ADA)).status_code == 200
    assert (await http.post("/chat", json=ASK, headers=BATCH)).status_code == 200
    heard = [(one.headers["Chat-Client"], one.headers["Chat-Lane"]) for one in responder.requests]
    assert heard == [("http-ada", "interactive")] * 2 + [("http-batch", "batch")]
    answer = await http.post("/chat", json=ASK, headers={**BATCH, "Stile-Lane": "interactive"})
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, "Stile-Lane")


async def test_a_changed_file_counts_without_a_restart(bus, keys, http):
    """A revoked key is refused and a new one taken, soon after the file was replaced."""
    await beat(await bus.connect("filter"), "filter")
    write(keys, eve={})

    async def refused():
        return (await http.get("/v1/models", headers=ADA)).status_code == 401

    await until(refused, what="ada's key is known as revoked")
    assert (await http.get("/v1/models", headers={"Authorization": "Bearer key-of-eve"})).status_code == 200


async def test_a_keys_limits_are_429s_that_say_when(bus, http):
    """Requests at once, and requests a minute; other keys are as free as before."""
    release = asyncio.Event()

    async def answer_when_released(responder, request):
        await responder.accept(request)
        await release.wait()
        await responder.finish(request)

    responder = await Responder(await bus.connect("filter"), answer_when_released).start()
    first = asyncio.create_task(http.post("/chat", json=ASK, headers=SLOW))
    await until(lambda: responder.requests)
    for path in ("/chat", "/v1/chat/completions"):
        second = await http.post(path, json=ASK, headers=SLOW)
        assert (second.status_code, second.json()["error"]["code"]) == (429, "client_queue_full")
        assert (second.headers["retry-after"], second.headers["retry-after-ms"]) == ("1", "1000")
    release.set()
    assert (await first).status_code == 200
    assert (await http.post("/chat", json=ASK, headers=SLOW)).status_code == 200

    few = {"Authorization": "Bearer key-of-few"}
    told = [f"x-ratelimit-{what}-requests" for what in ("limit", "remaining", "reset")]
    before = await http.get("/v1/models", headers=few)
    assert [before.headers[name] for name in told] == ["1", "1", "0s"]
    first = await http.post("/chat", json=ASK, headers=few)
    assert (first.status_code, [first.headers[name] for name in told[:2]]) == (200, ["1", "0"])
    assert 50 < int(first.headers[told[2]].removesuffix("s")) <= 60
    second = await http.post("/chat", json=ASK, headers=few)
    assert second.status_code == 429
    assert 50 < int(second.headers["retry-after"]) <= 60
    assert second.headers[told[1]] == "0"
    assert (await http.post("/chat", json=ASK, headers=ADA)).status_code == 200


async def test_a_client_reads_only_its_own(bus, http):
    """Another key's request is looked up under the asker's own name, and not found."""
    responder = await Responder(await bus.connect("filter"), Responder.whole).start()
    chat_id = (await http.post("/chat", json=ASK, headers=ADA)).json()["id"]
    assert (await http.get(f"/chat/{chat_id}", headers=ADA)).json()["response"] == "blue"
    other = await http.get(f"/chat/{chat_id}", headers=BATCH)
    assert (other.status_code, other.json()["error"]["code"]) == (404, "not_found")
    assert [one.headers["Chat-Client"] for one in responder.lookups] == ["http-ada", "http-batch"]


@pytest.mark.parametrize("setting", ["", "127.0.0.0/8"])
async def test_an_address_is_believed_of_a_trusted_proxy_alone(bus, tmp_path, setting):
    """`X-Forwarded-For` names the client where it comes from a proxy that is named, and else is nothing."""
    responder = await Responder(await bus.connect("filter"), Responder.whole).start()
    gateway = await Gateway(bus, tmp_path, STILE_TRUSTED_PROXIES=setting).start()
    try:
        await gateway.connected()
        async with httpx.AsyncClient(base_url=gateway.url, timeout=30) as client:
            headers = {"X-Forwarded-For": "203.0.113.7"}
            assert (await client.post("/chat", json=ASK, headers=headers)).status_code == 200
    finally:
        await gateway.stop()
    expected = "http-203-0-113-7" if setting else "http-127-0-0-1"
    assert responder.requests[0].headers["Chat-Client"] == expected


async def test_a_file_of_the_home_that_cannot_be_read_stops_the_start(bus, tmp_path):
    """It names the variable; nothing is served without the keys that were meant, unless they are off."""
    (tmp_path / "api-keys.json").write_text("{")
    told = await Gateway(bus, tmp_path, STILE_HOME=str(tmp_path)).refused()
    assert (told.count("\n"), "STILE_HOME" in told) == (1, True)
    gateway = await Gateway(bus, tmp_path, STILE_HOME=str(tmp_path), STILE_API_KEYS="off").start()
    await gateway.stop()


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("STILE_API_KEYS", "nothing.json"),
        ("STILE_TRUSTED_PROXIES", "proxy"),
        ("STILE_TRUSTED_PROXIES", "1/99"),
    ],
)
async def test_a_setting_that_is_none_stops_the_start(bus, tmp_path, setting, value):
    """One line that names it; nothing is served without the keys that were asked for."""
    gateway = Gateway(bus, tmp_path, **{setting: value})
    starting = asyncio.create_task(gateway.start())
    await until(lambda: gateway._process and gateway.process.exit_code is not None, within=30)
    starting.cancel()
    assert gateway.process.exit_code == 1
    assert gateway.process.output().count("\n") == 1
    assert setting in gateway.process.output()
