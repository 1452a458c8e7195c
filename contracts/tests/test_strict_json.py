"""A JSON object is accepted only if all readers understand it in the same way."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from stile_contracts import strict_json
from stile_contracts.messages import ChatRequest, ToolCall

OBJECTS = st.dictionaries(
    st.text(max_size=5),
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats(allow_nan=False, allow_infinity=False)
        | st.text(),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
        max_leaves=8,
    ),
    max_size=4,
)

OTHERWISE_READ = {
    "a NUL and more": '{"a":1}\0 x',
    "a NUL alone": '{"a":1}\0',
    "text after it": '{"a":1} x',
    "two objects": "{}{}",
    "a byte order mark": '\ufeff{"a":1}',
    "5,000 levels": '{"a":' + "[" * 5000 + "]" * 5000 + "}",
    "65 levels": '{"a":' * 65 + "1" + "}" * 65,
    "an unclosed depth": '{"a":' * 100_000,
    "equal keys": '{"a":1,"a":2}',
    "equal keys within": '{"b":[{"a":1,"a":2}]}',
    "equal keys, one escaped": '{"a":1,"\\u0061":2}',
    "NaN": '{"a":NaN}',
    "Infinity": '{"a":-Infinity}',
    "a float beyond a double": '{"a":1e999}',
    "an integer beyond a double": '{"a":1' + "0" * 309 + "}",
    "an integer of 5,000 digits": '{"a":' + "1" * 5000 + "}",
    "an escaped lone surrogate": '{"a":"\\ud800"}',
    "a lone surrogate as a key": '{"\\udc00":1}',
    "surrogates the wrong way round": '{"a":"\\udc00\\ud800"}',
    "a trailing comma": '{"a":1,}',
    "a trailing comma in a list": '{"a":[1,]}',
    "a comment": '{"a":1/*x*/}',
    "single quotes": "{'a':1}",
    "a bare key": "{a:1}",
    "a control character": '{"a":"\n"}',
    "an unknown escape": '{"a":"\\x66"}',
    "a list": "[]",
    "a text": '"x"',
    "null": "null",
    "spaces alone": "  ",
    "no JSON": "Oslo",
}


@pytest.mark.parametrize("text", OTHERWISE_READ.values(), ids=OTHERWISE_READ.keys())
def test_what_readers_differ_over_is_not_read(text):
    """Nothing but ValueError comes of it."""
    with pytest.raises(ValueError):  # noqa: PT011 -- the texts differ, and clients never see them
        strict_json.canonical(strict_json.read_object(text))


@pytest.mark.parametrize("text", OTHERWISE_READ.values(), ids=OTHERWISE_READ.keys())
def test_such_arguments_are_no_request(text):
    """The field is named, down to the call."""
    call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": text}}
    messages = [{"role": "user", "content": "x"}, {"role": "assistant", "tool_calls": [call]}]
    with pytest.raises(ValidationError) as raised:
        ChatRequest.model_validate_json(json.dumps({"messages": messages}))
    [error] = raised.value.errors()
    assert error["loc"] == ("messages", 1, "tool_calls", 0, "function", "arguments")


def test_raw_lone_surrogates_are_no_request():
    """As bytes or as an escape in the body, in any field."""
    for hidden in (b"\\ud800", b"\xed\xa0\x80"):
        for body in (
            b'{"prompt":"x","tools":[{"type":"function","function":{"name":"f","parameters":{"%s":1}}}]}',
            b'{"prompt":"x","response_format":{"type":"json_schema","json_schema":{"schema":{"enum":["%s"]}}}}',
            b'{"messages":[{"role":"tool","tool_call_id":"c","content":"%s"}]}',
            b'{"messages":[{"role":"tool","tool_call_id":"%s","content":"x"}]}',
            b'{"prompt":"x","stop":["%s"]}',
        ):
            with pytest.raises(ValidationError):
                ChatRequest.model_validate_json(body % hidden)


@given(value=OBJECTS, escaped=st.booleans(), indent=st.none() | st.integers(0, 3))
def test_an_object_has_one_form_however_it_was_written(value, escaped, indent):
    """Its value is kept; escapes and spaces are not."""
    written = json.dumps(value, ensure_ascii=escaped, indent=indent)
    canonical = strict_json.canonical(strict_json.read_object(written))
    assert json.loads(canonical) == value
    assert strict_json.canonical(strict_json.read_object(canonical)) == canonical


def test_arguments_are_kept_in_their_one_form():
    """Unneeded escapes go; an empty text is an empty object."""
    for written, kept in {
        "": "{}",
        ' { "a" : "\\u0066uck\\ud83d\\ude00\\/" } ': '{"a":"fuck😀/"}',
        '{"a":1.0,"b":"\\u0000\\n"}': '{"a":1.0,"b":"\\u0000\\n"}',
        '{"a":' * 64 + "1" + "}" * 64: '{"a":' * 64 + "1" + "}" * 64,
    }.items():
        call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": written}}
        request = ChatRequest(messages=[{"role": "assistant", "tool_calls": [call]}])
        assert request.messages[0].tool_calls[0].function.arguments == kept


def test_a_call_that_the_model_writes_is_unchanged():
    """A small model may write arguments that are not JSON; the client gets them as they are."""
    call = ToolCall.model_validate({"id": "", "function": {"name": "f", "arguments": '{"a":'}})
    assert call.function.arguments == '{"a":'


BODIES = json.loads((Path(__file__).parents[1] / "fixtures" / "v1" / "json.json").read_text())


@pytest.mark.parametrize("case", BODIES, ids=[case["name"] for case in BODIES])
def test_a_body_is_read_if_the_worker_reads_it(case):
    """The worker's test reads the same cases."""
    body = case["text"].encode(errors="surrogatepass")
    if case["read"]:
        strict_json.check_body(body)
    else:
        with pytest.raises(ValueError):  # noqa: PT011 -- the reasons differ
            strict_json.check_body(body)
