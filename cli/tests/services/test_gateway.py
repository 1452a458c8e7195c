"""Where ``stile chat`` and ``stile dlq retry`` send their requests, and what they make of the answers."""

import json
import threading
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from stile import main
from stile.chat.events import Done, Piece, Queued, Started
from stile.errors import ArgumentError, RequestError
from stile.services import gateway
from stile.services.gateway import Gateway
from stile.settings import Settings

GONE = b'{"error": {"code": "cancelled", "message": "gone"}}'
STREAM = b"""event: queued
data: {"id": "7", "position": 0, "estimate_seconds": 1.5}

: keep-alive

event: started
id: 0.abc
data: {"id": "7", "model": "small"}

event: token
data: {"text": "bl\\u00fce"}

event: unheard-of
data: {}

event: done
data: {"id": "7", "response": "bl\\u00fce"}

"""


class Server(ThreadingHTTPServer):
    """Answers every request in the same way, and keeps them."""

    def __init__(self, status=200, kind="text/event-stream", body=STREAM, **headers):
        super().__init__(("127.0.0.1", 0), Handler)
        self.answer = (status, kind, body, headers)
        self.requests = []
        self.thread = threading.Thread(target=self.serve_forever, args=(0.01,))

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}"

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.shutdown()
        self.thread.join()
        self.server_close()


class Handler(BaseHTTPRequestHandler):
    """Asks its server what to answer."""

    def _answer(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.server.requests.append((self.command, self.path, dict(self.headers), body))
        status, kind, answer, headers = self.server.answer
        self.send_response(status)
        for name, value in {"Content-Type": kind, **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(answer)

    do_GET = do_POST = do_DELETE = _answer  # noqa: N815 -- the library's names

    def log_message(self, *_):
        pass


@pytest.fixture(autouse=True)
def _no_addresses(monkeypatch):
    for name in ("STILE_HOST", "STILE_PORT", "STILE_API_KEY", "OPENAI_BASE_URL", "OPENAI_API_KEY"):
        monkeypatch.delenv(name, raising=False)


def test_a_stream_is_read():
    """Comments, ids and events of a later version are passed over."""
    with Server() as server:
        events = list(Gateway(server.url).stream({"prompt": "x"}))
    assert events == [
        Queued("7", 0, 1.5),
        Started("7", "small"),
        Piece("blüe", ""),
        Done({"id": "7", "response": "blüe"}),
    ]
    ((method, path, headers, body),) = server.requests
    assert (method, path, json.loads(body)) == ("POST", "/chat", {"prompt": "x"})
    assert "Authorization" not in headers


def test_an_answer_that_is_left_is_cancelled():
    """By its id: a proxy between the two may not pass on that the connection was closed."""
    with Server() as server, closing(Gateway(server.url, "a-key").stream({"prompt": "x"})) as events:
        next(events)
        events.close()
        assert [(method, path) for method, path, *_ in server.requests] == [
            ("POST", "/chat"),
            ("DELETE", "/chat/7"),
        ]
        assert server.requests[1][2]["Authorization"] == "Bearer a-key"


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ((200, "text/event-stream", STREAM[:150]), "was lost before the answer was whole"),
        ((200, "text/event-stream", b"event: error\ndata: " + GONE + b"\n\n"), "cancelled: gone"),
        ((200, "text/event-stream", b"event: done\ndata: {\n\n"), "no gateway of Stile"),
        ((503, "application/json", GONE), "no answer (HTTP 503): cancelled: gone"),
        ((200, "text/html", b"<html>"), "no gateway of Stile: it answered 200"),
        ((404, "text/plain", b"?"), "no gateway of Stile: it answered 404"),
        ((401, "application/json", b"{}"), "asks for an API key: put yours into STILE_API_KEY"),
        ((307, "text/plain", b""), "it answered 307"),
    ],
)
def test_what_is_no_answer_is_one_line(answer, said):
    """A redirection is not followed: a key would go with it."""
    with Server(*answer, Location="http://127.0.0.1:1/") as server, pytest.raises(RequestError) as raised:
        list(Gateway(server.url).stream({"prompt": "x"}))
    assert said in str(raised.value)
    assert "\n" not in str(raised.value)
    assert len(server.requests) == (2 if "before the answer" in said else 1)


def test_a_key_that_is_not_known_is_named():
    """And never shown."""
    with Server(401, "application/json", b"{}") as server, pytest.raises(RequestError) as raised:
        Gateway(server.url, "sk-secret").ask({"prompt": "x"})
    assert "is STILE_API_KEY right?" in str(raised.value)
    assert "sk-secret" not in str(raised.value)


def test_a_key_that_no_header_can_hold():
    with pytest.raises(RequestError, match="STILE_API_KEY") as raised:
        Gateway("http://127.0.0.1:1", "sk-\nsecret").ask({"prompt": "x"})
    assert "secret" not in str(raised.value)


@pytest.mark.parametrize(
    ("variables", "url", "asked", "key"),
    [
        ({}, None, "http://127.0.0.1:8000", None),
        ({"STILE_PORT": "81"}, None, "http://127.0.0.1:81", None),
        ({"STILE_API_KEY": "a", "OPENAI_API_KEY": "b"}, None, "http://127.0.0.1:8000", "a"),
        ({"OPENAI_BASE_URL": "http://box/v1", "OPENAI_API_KEY": "b"}, None, "http://box/v1", "b"),
        ({"OPENAI_BASE_URL": "http://box/v1", "STILE_PORT": "81"}, None, "http://127.0.0.1:81", None),
        ({"OPENAI_BASE_URL": "http://box/v1"}, "http://other", "http://other", None),
        ({"OPENAI_API_KEY": "of-openai"}, None, "http://127.0.0.1:8000", None),
        ({"OPENAI_API_KEY": "sk-stile-b"}, "http://other", "http://other", "sk-stile-b"),
        ({"OPENAI_BASE_URL": "", "OPENAI_API_KEY": ""}, None, "http://127.0.0.1:8000", None),
    ],
)
def test_which_gateway_is_asked_with_which_key(monkeypatch, variables, url, asked, key):
    """Stile's own variables come first; a key of OpenAI itself is sent only where OPENAI_BASE_URL leads."""
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    found = gateway.find(Settings.load(), url)
    assert (found._base, found._key) == (asked, key)


@pytest.mark.parametrize(("end", "path"), [("", "/v1/models"), ("/v1", "/v1/models")])
def test_models_are_listed(end, path):
    body = b'{"object": "list", "data": [{"id": "small"}]}'
    with Server(200, "application/json", body) as server:
        assert Gateway(server.url + end).models() == ["small"]
    assert server.requests[0][1] == path


@pytest.mark.parametrize("variable", ["HTTP_PROXY", "ALL_PROXY", "http_proxy", "all_proxy"])
@pytest.mark.parametrize("proxy", ["http://127.0.0.1:9", "socks5://127.0.0.1:9"])
@pytest.mark.parametrize("base", ["http://127.0.0.1:1", "http://[::1]:1", "http://localhost:1"])
def test_no_proxy_leads_to_this_machine(monkeypatch, variable, proxy, base):
    """The gateway itself is asked: nothing listens on port 1."""
    monkeypatch.setenv(variable, proxy)
    with pytest.raises(RequestError, match="nobody answers"):
        Gateway(base).ask({"prompt": "x"})


@pytest.mark.parametrize("variable", ["http_proxy", "ALL_PROXY"])
def test_another_machine_is_asked_through_the_proxy(monkeypatch, variable):
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY", "no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with Server() as proxy:
        monkeypatch.setenv(variable, proxy.url)
        assert Gateway("http://gateway.example").ask({"prompt": "x"})["response"] == "blüe"
        assert proxy.requests[0][1] == "http://gateway.example/chat"


def test_a_proxy_that_cannot_be_used_is_one_line(monkeypatch):
    """Another machine is asked through it."""
    monkeypatch.setenv("ALL_PROXY", "socks5://127.0.0.1:9")
    with pytest.raises(RequestError, match="ALL_PROXY"):
        Gateway("http://gateway.example").ask({"prompt": "x"})


def test_an_argument_that_is_no_utf8_is_one_line(monkeypatch, capsys):
    """Python reads such bytes as halves of characters."""
    monkeypatch.setattr("sys.argv", ["stile", "chat", "\udcff"])
    with pytest.raises(SystemExit) as ended:
        main.main()
    assert ended.value.code == 1
    assert capsys.readouterr().err == f"stile: {ArgumentError('argument 2 is not valid UTF-8')}\n"
