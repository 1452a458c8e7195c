"""Requests that were sent to another site's name, as a browser sends them after DNS rebinding."""

import asyncio
import re

import httpx
import pytest

from harness.parts.gateway import Gateway, Responder
from stile_runtime.api_keys import KEY_FILE, ApiKey, ApiKeys, digest

ASK = b'{"prompt": "x"}'
ID = "0190a5d0-0000-7000-8000-000000000001"
ADDRESSES = (
    ("GET", "/"),
    ("GET", "/page/app.js"),
    ("HEAD", "/"),
    ("POST", "/chat"),
    ("POST", "/v1/chat"),
    ("POST", "/v1/chat/completions"),
    ("GET", "/v1/models"),
    ("GET", "/queue"),
    ("GET", f"/chat/{ID}"),
    ("DELETE", f"/chat/{ID}"),
    ("OPTIONS", "/chat"),
    ("GET", "/docs"),
    ("GET", "/openapi.json"),
    ("GET", "/nothing"),
)
PROBES = ("/healthz", "/readyz", "/metrics")


async def said(gateway, request):
    """Send bytes as they are, and return the status of the answer; None if there is none."""
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
    writer.write(request)
    answer = await asyncio.wait_for(reader.read(4096), 30)
    writer.close()
    found = re.match(rb"HTTP/1\.1 (\d{3}) ", answer)
    return int(found[1]) if found else None


async def test_a_foreign_name_gets_no_further(bus, gateway, http):
    """Whatever the address: a 400 that says what to do, and nothing goes to the bus. Probes have any name."""
    responder = await Responder(await bus.connect("filter"), Responder.whole).start()
    for method, path in ADDRESSES:
        for accept in ("*/*", "text/event-stream"):
            headers = {"Host": f"evil.example:{gateway.port}", "Accept": accept}
            headers |= {"X-Forwarded-Host": "localhost", "Content-Type": "application/json"}
            answer = await http.request(method, path, headers=headers, content=ASK)
            assert answer.status_code == 400, (method, path)
            if method != "HEAD":
                error = answer.json()["error"]
                assert (error["code"], error["param"]) == ("invalid_header", "Host")
                assert "STILE_HOSTS" in error["message"]
                assert "evil" not in error["message"]
    assert responder.requests == responder.lookups == responder.cancels == []
    for path in PROBES:
        assert (await http.get(path, headers={"Host": "gateway:8000"})).status_code in {200, 503}


@pytest.mark.parametrize(
    ("target", "host", "status"),
    [
        ("/", "Host: localhost\r\n", 200),
        ("/", "Host: LOCALHOST.:1\r\n", 200),
        ("/", "", 400),
        ("/", "Host:\r\n", 400),
        ("/", "Host: evil.example.\r\n", 400),
        ("/", "Host: localhost@evil.example\r\n", 400),
        ("/", "Host: localhost\r\nHost: evil.example\r\n", 400),
        ("/", "Host: evil.example\r\nX-Forwarded-Host: localhost\r\nForwarded: host=localhost\r\n", 400),
        ("http://evil.example/", "Host: localhost\r\n", 400),
        ("http://localhost@evil.example/", "Host: localhost\r\n", 400),
        ("http://localhost:1/", "Host: evil.example\r\n", 200),
        ("http://[::1]/", "Host: evil.example\r\n", 200),
        ("//evil.example/", "Host: localhost\r\n", 404),
    ],
)
async def test_the_name_that_counts(gateway, target, host, status):
    """The one of the target if it has one, else that of the one `Host`."""
    for version in ("1.1", "1.0"):
        request = f"GET {target} HTTP/{version}\r\n{host}Connection: close\r\n\r\n"
        assert await said(gateway, request.encode()) == status, version


async def test_names_are_set_and_keys_make_them_needless(bus, tmp_path):
    """`STILE_HOSTS` adds names; whoever has a key may use any."""
    keys = ApiKeys(keys=(ApiKey(name="ada", sha256=digest("ada")),))
    (tmp_path / KEY_FILE).write_text(keys.model_dump_json())
    for settings, name, status in (
        ({"STILE_HOSTS": "stile.example, Other.Example."}, "other.example", 200),
        ({"STILE_HOSTS": "stile.example"}, "sub.stile.example", 400),
        ({"STILE_HOME": str(tmp_path)}, "evil.example", 200),
        ({"STILE_HOME": str(tmp_path), "STILE_API_KEYS": "off"}, "evil.example", 400),
    ):
        gateway = await Gateway(bus, tmp_path, **settings).start()
        try:
            async with httpx.AsyncClient(base_url=gateway.url, timeout=30) as http:
                answer = await http.get("/", headers={"Host": name, "Authorization": "Bearer ada"})
                assert answer.status_code == status, settings
        finally:
            await gateway.stop()


async def test_a_foreign_origin_changes_nothing(bus, http):
    """A page of another site may send what needs no leave of this one: none of it asks or cancels."""
    responder = await Responder(await bus.connect("filter"), Responder.whole).start()
    evil = {"Origin": "https://evil.example"}
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", ""):
        for path in ("/chat", "/v1/chat", "/v1/chat/completions"):
            answer = await http.post(path, content=ASK, headers={**evil, "Content-Type": kind})
            assert answer.status_code == 415
    for method, path in (("POST", "/chat"), ("DELETE", f"/chat/{ID}")):
        wanted = {"Access-Control-Request-Method": method, "Access-Control-Request-Headers": "content-type"}
        answer = await http.options(path, headers={**evil, **wanted})
        assert answer.status_code == 405
        assert not [name for name in answer.headers if name.startswith("access-control")]
    assert responder.requests == responder.cancels == []


@pytest.mark.parametrize("value", ["stile.example:8000", "*.example", "http://stile.example", "a b"])
async def test_a_name_that_is_none_stops_the_start(bus, tmp_path, value):
    """One line that names the variable."""
    told = await Gateway(bus, tmp_path, STILE_HOSTS=value).refused()
    assert told.count("\n") == 1
    assert "STILE_HOSTS" in told
