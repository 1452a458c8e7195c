"""The use case over streams in memory: what can't be read is named, and what may not be answered is not."""

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.filter.deciding import ID, Deciding, error_of
from stile_contracts.errors import ErrorCode


@pytest.mark.parametrize(
    "reply_to",
    ["", "chat.approved.interactive.x.y", "_INBOX_filter.x", "_R_.*", "_R_.>", "_INBOX_gateway", "x" * 300],
)
async def test_a_reply_subject_elsewhere_is_answered_with_silence(system, reply_to):
    """The place to answer is the attack, so nothing is said and nothing is stored."""
    assert await system.gateway({"prompt": "darn"}, reply_to=reply_to) == []
    assert system.store.chat == system.store.results == {}
    assert system.outcomes == ["dropped"]


@pytest.mark.parametrize(
    ("changed", "param"),
    [
        ({"Chat_Id": None}, "Chat-Id"),
        ({"Chat_Id": "nonsense"}, "Chat-Id"),
        ({"Chat_Id": ID.upper()}, "Chat-Id"),
        ({"Chat_Id": ID.replace("-", "")}, "Chat-Id"),
        ({"Chat_Client": None}, "Chat-Client"),
        ({"Chat_Client": "alice"}, "Chat-Client"),
        ({"Chat_Client": "http-a.b"}, "Chat-Client"),
        ({"Chat_Lane": "fast"}, "Chat-Lane"),
        ({"Chat_Lane": ""}, "Chat-Lane"),
        ({"Chat_Events": "everything"}, "Chat-Events"),
        ({"Chat_Respond": "sooner"}, "Chat-Respond"),
        ({"Chat_Respond": ""}, "Chat-Respond"),
        ({"Chat_Deadline": None}, "Chat-Deadline"),
        ({"Chat_Deadline": "soon"}, "Chat-Deadline"),
        ({"Chat_Deadline": "-1"}, "Chat-Deadline"),
        ({"Chat_Deadline": "٣"}, "Chat-Deadline"),
        ({"Chat_Key": ""}, "Chat-Key"),
        ({"Chat_Key": "x" * 201}, "Chat-Key"),
        ({"Chat_Key": "two words"}, "Chat-Key"),
    ],
)
async def test_a_wrong_header_is_named(system, changed, param):
    """Each header that can't be read is an ``invalid_header`` that says which."""
    error = error_of(await system.gateway({"prompt": "hi"}, **changed))
    assert (error.code, error.param) == (ErrorCode.INVALID_HEADER, param)
    assert system.store.results == {}


async def test_an_account_can_not_pass_for_an_http_client(system):
    """An account whose name begins with ``http-`` is turned away."""
    error = error_of(await system.direct({"prompt": "hi"}, origin="http-1"))
    assert error.code is ErrorCode.INVALID_HEADER


@pytest.mark.parametrize(
    ("body", "param"),
    [
        (b"", "body"),
        (b"\xff\xfe", "body"),
        (b'{"prompt": "\xff"}', "body"),
        (b'{"prompt": "\\ud800"}', "body"),
        (b"[" * 100_000, "body"),
        (b'{"messages":' * 10_000, "body"),
        (b"[]", "body"),
        (b'{"prompt": 1}', "prompt"),
        (b'{"prompt": ""}', "prompt"),
        (b"{}", "body"),
        (b'{"messages": [{"role": "wizard", "content": "x"}]}', "messages[0].role"),
        (b'{"messages": [{"role": "user"}]}', "messages[0]"),
        (b'{"prompt": "x", "temperature": "NaN"}', "temperature"),
        (b'{"prompt": "x", "temperature": NaN}', "temperature"),
        (
            b'{"messages": [{"role": "user", "content": "x"}], "more": ' + b"[" * 150 + b"]" * 150 + b"}",
            "body",
        ),
        (b'{"prompt": "x", "more": 1e400}', "body"),
        (b'{"prompt": "x", "more": ' + b"1" * 400 + b"}", "body"),
        (b'{"prompt": "x", "more": -Infinity}', "body"),
    ],
)
async def test_a_wrong_body_is_named(system, body, param):
    """Whatever bytes come, the answer is ``invalid_request`` with the field, and nothing of the text."""
    error = error_of(await system.gateway(body))
    assert (error.code, error.param, str(error.id)) == (ErrorCode.INVALID_REQUEST, param, ID)


@settings(deadline=None)
@given(st.binary(max_size=200))
def test_no_bytes_break_the_filter(body):
    """Whatever comes, there is an answer or an approval, never an exception or ``internal``."""

    async def run(file):
        system = Deciding(file)
        await system.gateway(body)
        assert system.outcomes[0] in {"accepted", ErrorCode.INVALID_REQUEST}

    from pathlib import Path  # noqa: PLC0415
    from tempfile import TemporaryDirectory  # noqa: PLC0415

    with TemporaryDirectory() as folder:
        file = Path(folder) / "policy.yml"
        file.write_text("")
        asyncio.run(run(file))
