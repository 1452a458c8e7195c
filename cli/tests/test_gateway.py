"""Where ``stile chat`` and ``stile dlq retry`` send their requests."""

import pytest

from stile import main
from stile.errors import ArgumentError, RequestError
from stile.gateway import Gateway


@pytest.mark.parametrize("variable", ["HTTP_PROXY", "ALL_PROXY", "http_proxy", "all_proxy"])
@pytest.mark.parametrize("proxy", ["http://127.0.0.1:9", "socks5://127.0.0.1:9"])
@pytest.mark.parametrize("base", ["http://127.0.0.1:1", "http://[::1]:1", "http://localhost:1"])
def test_no_proxy_leads_to_this_machine(monkeypatch, variable, proxy, base):
    """The gateway itself is asked: nothing listens on port 1."""
    monkeypatch.setenv(variable, proxy)
    with pytest.raises(RequestError, match="nobody answers"):
        Gateway(base).ask({"prompt": "x"})


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
