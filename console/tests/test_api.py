"""The page's addresses, without a bus: what they show of records and files, and what they say without one."""

import time
from uuid import uuid4

import pytest
from fastapi.testclient import TestClient

from stile_console.app import create_app
from stile_console.settings import Settings
from stile_contracts.messages import LogRecord
from stile_runtime import api_keys
from stile_runtime.api_keys import KEY_FILE
from stile_runtime.installation import console_tokens

ID = "01920f3c-7a51-7c3e-8f00-0123456789ab"
"""Of a request. It is part of a test's name, so it is the same in both halves of a run."""


@pytest.fixture
def app(tmp_path):
    (tmp_path / "policy.yml").write_text("keywords: []\n")
    policy = tmp_path / "policy.yml"
    return create_app(
        Settings(home=tmp_path, policy=policy, policy_target=policy, public_url="http://school.lan:8000")
    )


@pytest.fixture
def owner(app, tmp_path):
    """A browser that is signed in."""
    browser = TestClient(app, base_url="http://localhost:8090")
    token = console_tokens.make(tmp_path / console_tokens.FILE)
    proof = browser.post("/api/session", json={"token": token}).json()["proof"]
    browser.headers["Stile-Session"] = proof
    return browser


def record(app, client, outcome="answered", **fields):
    """Have the log tell of a request that ended now."""
    app.state.services.records.add(
        LogRecord(
            id=uuid4(),
            at_ms=int(time.time() * 1000),
            client=client,
            lane="interactive",
            outcome=outcome,
            attempt=1,
            part="consumer",
            **fields,
        )
    )


def test_people_are_those_with_keys_and_those_who_asked(app, owner, tmp_path):
    """A key that nobody has used is there too, and a client without a key by its name on the bus."""
    _, entry = api_keys.make("ada", requests_per_minute=6)
    api_keys.change(tmp_path / KEY_FILE, lambda keys: (*keys, entry))
    record(app, "http-ada", prompt_tokens=3, answer_tokens=4)
    record(app, "http-ada", "refused", rule="profanity", place="prompt")
    record(app, "press-7")
    found = owner.get("/api/people").json()
    assert (found["keys_are_needed"], found["address"]) == (True, "http://school.lan:8000")
    ada, press = found["people"]
    assert (ada["name"], ada["requests_per_minute"]) == ("ada", 6)
    assert ada["today"] == ada["week"] == {"requests": 2, "refused": 1, "tokens": 7}
    assert (press["client"], press.get("name"), press["today"]["requests"]) == ("press-7", None, 1)


def test_history_is_filtered(app, owner):
    """By client, rule, outcome and day. The answer says which values there are."""
    record(app, "http-ada", "refused", rule="profanity", place="prompt", view="leet")
    record(app, "http-ben")
    whole = owner.get("/api/history").json()
    assert len(whole["records"]) == 2
    assert (whole["clients"], whole["rules"]) == (["http-ada", "http-ben"], ["profanity"])
    for asked in (
        "client=http-ada",
        "rule=profanity",
        "outcome=refused",
        f"client=http-ada&day={whole['days'][0]}",
    ):
        (found,) = owner.get(f"/api/history?{asked}").json()["records"]
        assert (found["client"], found["view"]) == ("http-ada", "leet"), asked
    assert owner.get("/api/history?day=2001-01-01").json()["records"] == []
    assert owner.get("/api/history?day=yesterday").status_code == 422


def test_keys_are_made_limited_and_revoked(owner, tmp_path):
    """In the file; a key is in the one answer that makes it."""
    sent = {"names": ["ada", "ben"], "limits": {"max_in_flight": 1}, "address": "http://school.lan:8000"}
    tickets = owner.post("/api/keys", json=sent).json()
    assert [ticket["name"] for ticket in tickets] == ["ada", "ben"]
    assert tickets[0]["key"] not in owner.get("/api/people").text
    assert owner.put("/api/keys/ada", json={"requests_per_minute": 2}).status_code == 204
    assert owner.post("/api/keys/revoke", json={"names": ["ben"]}).status_code == 204
    (left,) = api_keys.read(tmp_path / KEY_FILE).keys
    assert (left.name, left.max_in_flight, left.requests_per_minute) == ("ada", None, 2)


@pytest.mark.parametrize(
    ("request_line", "sent", "status"),
    [
        ("POST /api/keys", {"names": [], "address": "http://x"}, 422),
        ("POST /api/keys", {"names": ["a b"], "address": "http://x"}, 422),
        ("POST /api/keys", {"names": ["ada"], "address": "x"}, 422),
        ("POST /api/keys", {"names": ["ada"], "address": "http://[::1"}, 422),
        ("POST /api/keys", {"names": ["ada"], "address": "http://x", "limits": {"lane": "fast"}}, 422),
        ("PUT /api/keys/nobody", {}, 404),
        ("PUT /api/keys/nobody", {"requests_per_minute": 0}, 422),
        ("POST /api/keys/revoke", {"names": ["nobody"]}, 404),
        ("POST /api/policy/try", {"text": ""}, 422),
        ("POST /api/policy/replay", {"policy": "", "key": "x"}, 404),
        (f"DELETE /api/queue/a.b/{ID}", None, 404),
        ("DELETE /api/queue/ada/no-id", None, 422),
        ("GET /api/none", None, 404),
        ("PATCH /api/people", None, 404),
    ],
)
def test_what_can_not_be_used_is_an_error_in_words(owner, tmp_path, request_line, sent, status):
    """With one shape, and no file is made."""
    answer = owner.request(*request_line.split(), json=sent)
    assert answer.status_code == status, answer.text
    assert answer.json()["error"]["message"]
    assert not (tmp_path / KEY_FILE).exists()


def test_a_body_that_is_no_text_is_not_taken_for_another_address(owner):
    """FastAPI has no error of its own for it."""
    answer = owner.post("/api/keys", content=b"\xff", headers={"Content-Type": "application/json"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (422, "invalid_request")


@pytest.mark.parametrize(
    ("method", "path", "sent"),
    [
        ("GET", "/api/queue", None),
        ("PUT", "/api/queue/hold", {"held": True}),
        ("DELETE", f"/api/queue/http-ada/{ID}", None),
        ("POST", "/api/policy/try", {"text": "x"}),
        ("POST", "/api/policy/check", {"policy": "x"}),
        ("PUT", "/api/policy", {"policy": "x", "base": "x"}),
    ],
)
def test_without_a_bus_what_needs_one_says_so(owner, tmp_path, method, path, sent):
    """Nothing is written that no filter has looked at."""
    answer = owner.request(method, path, json=sent)
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "unavailable")
    assert (tmp_path / "policy.yml").read_text() == "keywords: []\n"


def test_the_policy_is_shown_without_a_bus(owner):
    """Its text, its file, and that it may be changed."""
    found = owner.get("/api/policy").json()
    assert (found["text"], found["may_change"], found["is_shipped"]) == ("keywords: []\n", True, False)
