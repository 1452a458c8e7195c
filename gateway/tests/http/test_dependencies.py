"""The head of a request: what FastAPI refuses of it, and what the document says of it."""

from uuid import uuid4

import httpx
import pytest

from stile_gateway import app as application
from stile_gateway.app import create_app
from stile_gateway.settings import Settings


@pytest.fixture
async def client(fake_bus, monkeypatch):
    monkeypatch.setattr(application, "NatsBus", lambda *_: fake_bus)
    transport = httpx.ASGITransport(create_app(Settings()))
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        yield client


@pytest.mark.parametrize("path", ["/chat", "/v1/chat", "/v1/chat/completions"])
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("Idempotency-Key", "a b"),
        ("Idempotency-Key", ""),
        ("Idempotency-Key", "x" * 256),
        ("Stile-Lane", "fast"),
        ("Stile-Timeout", "soon"),
        ("Stile-Timeout", "0s"),
    ],
)
async def test_the_header_at_fault_is_named(client, fake_bus, path, name, value):
    """In the dialect's shape, and nothing is sent to the bus."""
    answer = await client.post(
        path, json={"messages": [{"role": "user", "content": "x"}]}, headers={name: value}
    )
    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error["param"]) == (400, "invalid_header", name)
    assert fake_bus.published == []


@pytest.mark.parametrize("wait", ["-1", "61", "soon"])
async def test_the_query_at_fault_is_named(client, wait):
    """``wait`` is bounded."""
    answer = await client.get(f"/chat/{uuid4()}", params={"wait": wait})
    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error["param"]) == (422, "invalid_request", "wait")


async def test_an_invalid_request_is_documented_as_it_is_answered(client):
    """As a 422 at Stile's own addresses, as a 400 at those of all other APIs."""
    paths = (await client.get("/openapi.json")).json()["paths"]
    for path in ("/chat", "/v1/chat", "/v1/chat/completions", "/v1/responses", "/api/chat", "/v1/messages"):
        answer = await client.post(path, json={"messages": 1})
        responses = paths[path]["post"]["responses"]
        assert "`invalid_request`" in responses[str(answer.status_code)]["description"], path
        assert ("422" in responses) is (answer.status_code == 422), path


async def test_the_document_has_the_patterns(client):
    """A client that keeps to the document is never refused for a header."""
    document = (await client.get("/openapi.json")).json()
    for path in ("/chat", "/v1/chat/completions"):
        schemas = {one["name"]: one["schema"] for one in document["paths"][path]["post"]["parameters"]}
        assert schemas["Idempotency-Key"]["pattern"] == "^[!-~]{1,255}$"
        assert schemas["Stile-Timeout"]["pattern"].startswith("^0*[1-9]")
        assert not any("null" in str(schema) for schema in schemas.values())
