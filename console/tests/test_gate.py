"""Who is let in; the attacks are those of a page of another site, of another port, and of a guesser."""

import pytest
from fastapi.testclient import TestClient

from stile_console.app import create_app
from stile_console.settings import Settings
from stile_runtime import api_keys
from stile_runtime.api_keys import KEY_FILE
from stile_runtime.installation import console_tokens

BASE = "http://127.0.0.1:8090"


@pytest.fixture
def home(tmp_path):
    return tmp_path


@pytest.fixture
def app(home):
    return create_app(Settings(home=home, policy=home / "policy.yml"))


@pytest.fixture
def browser(app):
    """A browser without a session; the lifespan does not run, so there is no bus."""
    return TestClient(app, base_url=BASE)


def sign_in(browser, home):
    """Sign in with a new token; return the header with the second secret."""
    answer = browser.post("/api/session", json={"token": console_tokens.make(home / console_tokens.FILE)})
    assert answer.status_code == 200
    return {"Stile-Session": answer.json()["proof"]}


def addresses(app):
    """Every address of the application with each of its methods."""
    return [
        (method, route.path.replace("{", "").replace("}", ""))
        for included in app.routes
        for route in getattr(included, "original_router", app).routes
        for method in sorted(getattr(route, "methods", ()))
        if route.path.startswith("/api/")
    ]


def test_without_a_session_every_address_gives_nothing(app, browser):
    """Only the page itself, which is in the package, and the way to sign in are open."""
    closed = [found for found in addresses(app) if found != ("POST", "/api/session")]
    assert closed
    for method, path in closed:
        answer = browser.request(method, path, json={})
        assert (answer.status_code, set(answer.json())) == (401, {"error"}), (method, path)
    assert browser.get("/").status_code == 200


def test_a_token_opens_once(browser, app, home):
    """The second browser that presents it gets nothing, also after a restart of the console."""
    token = console_tokens.make(home / console_tokens.FILE)
    first = browser.post("/api/session", json={"token": token})
    assert first.status_code == 200
    for again in (
        TestClient(app, base_url=BASE),
        TestClient(create_app(Settings(home=home, policy=home / "policy.yml")), base_url=BASE),
    ):
        answer = again.post("/api/session", json={"token": token})
        assert answer.status_code == 401
        assert "set-cookie" not in answer.headers


@pytest.mark.parametrize("sent", [{}, {"token": ""}, {"token": "x"}, {"key": ""}, {"key": "sk-stile-x"}])
def test_what_opens_nothing(browser, home, sent):
    """No token, an empty one, a made-up one; a made-up key."""
    console_tokens.make(home / console_tokens.FILE)
    answer = browser.post("/api/session", json=sent)
    assert answer.status_code == 401
    assert "set-cookie" not in answer.headers


def test_the_cookie_alone_is_not_enough_and_no_script_reads_it(browser, home):
    """A browser sends a cookie to each port of a host, so a program on another port gets it."""
    answer = browser.post("/api/session", json={"token": console_tokens.make(home / console_tokens.FILE)})
    attributes = answer.headers["set-cookie"].lower()
    assert "httponly" in attributes
    assert "samesite=strict" in attributes
    proof = {"Stile-Session": answer.json()["proof"]}
    assert browser.get("/api/health").status_code == 401
    assert browser.get("/api/health", headers={"Stile-Session": "x"}).status_code == 401
    assert browser.get("/api/health", headers=proof).status_code == 200
    browser.cookies.clear()
    assert browser.get("/api/health", headers=proof).status_code == 401


def test_two_halves_of_two_sessions_are_none(app, home):
    """The secrets belong together."""
    one, other = TestClient(app, base_url=BASE), TestClient(app, base_url=BASE)
    sign_in(one, home)
    assert one.get("/api/health", headers=sign_in(other, home)).status_code == 401


def test_signing_out_ends_the_session(browser, home):
    """For everybody who has its secrets."""
    proof = sign_in(browser, home)
    cookie = browser.cookies["stile_console"]
    assert browser.delete("/api/session", headers=proof).status_code == 204
    browser.cookies.set("stile_console", cookie)
    assert browser.get("/api/health", headers=proof).status_code == 401


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:8000"},
        {"Origin": "http://127.0.0.1"},
        {"Origin": "http://127.0.0.1:8090.evil.example"},
        {"Origin": "http://[127.0.0.1:8090"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "iframe"},
        {"Host": "evil.example"},
        {"Host": "evil.example:8090"},
        {"Host": "localhost.evil.example"},
        {"Host": ""},
    ],
)
def test_a_page_of_another_origin_gets_nothing(browser, home, headers):
    """Not with the whole session, not to sign in, and not the page; and a token stays unspent."""
    proof = sign_in(browser, home)
    token = console_tokens.make(home / console_tokens.FILE)
    answers = [
        browser.get("/api/health", headers={**proof, **headers}),
        browser.delete("/api/session", headers={**proof, **headers}),
        browser.post("/api/session", json={"token": token}, headers=headers),
        browser.get("/", headers=headers),
        browser.get("/page/app.js", headers=headers),
    ]
    assert {answer.status_code for answer in answers} == {403}
    assert browser.get("/api/health", headers=proof).status_code == 200
    assert console_tokens.spend(home / console_tokens.FILE, token)


def test_a_link_to_the_page_can_be_followed(browser):
    """From another site a person may come to the page; a frame or a script may not."""
    link = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
    assert browser.get("/", headers=link).status_code == 200
    assert browser.get("/api/session", headers=link).status_code == 403


def test_no_answer_can_be_framed_read_or_kept(browser, home):
    """Each answer carries the headers that keep other sites out; what is not in the package is not stored."""
    for answer in (browser.get("/"), browser.get("/api/health"), browser.get("/page/none.js")):
        assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
        assert "unsafe" not in answer.headers["content-security-policy"]
        assert answer.headers["cross-origin-resource-policy"] == "same-origin"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert "access-control-allow-origin" not in answer.headers
    assert browser.get("/api/health", headers=sign_in(browser, home)).headers["cache-control"] == "no-store"


def add_key(home, name, **fields):
    key, entry = api_keys.make(name, **fields)
    api_keys.change(home / KEY_FILE, lambda keys: (*keys, entry))
    return key


def test_an_owners_key_opens_until_it_is_revoked(browser, home):
    """For a program by itself, for a browser by a session; a pupil's key opens nothing."""
    pupil, owner = add_key(home, "ada"), add_key(home, "head", owner=True)
    assert browser.get("/api/health", headers={"Authorization": f"Bearer {pupil}"}).status_code == 401
    assert browser.get("/api/health", headers={"Authorization": f"Bearer {owner}"}).status_code == 200
    assert browser.post("/api/session", json={"key": pupil}).status_code == 401
    answer = browser.post("/api/session", json={"key": owner})
    proof = {"Stile-Session": answer.json()["proof"]}
    assert browser.get("/api/health", headers=proof).status_code == 200
    api_keys.change(home / KEY_FILE, lambda keys: keys[:1])
    assert browser.get("/api/health", headers=proof).status_code == 401
    assert browser.get("/api/health", headers={"Authorization": f"Bearer {owner}"}).status_code == 401


def test_bodies_are_bounded(browser, home):
    """Too many bytes, or an unknown number of them, are refused before they are read."""
    proof = sign_in(browser, home)
    big = browser.request("DELETE", "/api/session", content=b"x" * (3 * 1024 * 1024), headers=proof)
    assert big.status_code == 413
    chunked = browser.request("DELETE", "/api/session", content=iter([b"x"]), headers=proof)
    assert chunked.status_code == 413
    assert browser.get("/api/session", headers=proof).status_code == 204
