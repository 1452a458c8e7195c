"""One fault of a body has one name, whether the request comes over HTTP or over NATS."""

import json

import pytest
from pydantic import ValidationError

from stile_contracts.messages import ChatRequest
from stile_filter.admission.limits import read_body
from stile_filter.errors import RequestError
from stile_gateway.dialects.faults import invalid_request

USER = {"role": "user", "content": "hi"}
CALL = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "[]"}}


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"prompt": "hi", "tools": [], "tool_choice": "perhaps"}, "tool_choice"),
        ({"prompt": "hi", "tool_choice": {"type": "function", "function": {}}}, "tool_choice"),
        ({"prompt": 7}, "prompt"),
        ({"messages": [USER, {"role": "user", "content": 7}]}, "messages[1].content"),
        ({"messages": [USER, {"role": "nobody", "content": "x"}]}, "messages[1].role"),
        ({"messages": [{"role": "assistant", "tool_calls": [CALL]}]}, None),
        ({"prompt": "hi", "stop": ["a", 7]}, "stop[1]"),
        ({"prompt": "hi", "temperature": 9}, "temperature"),
        ({"prompt": "hi", "response_format": {"type": "json_schema"}}, "response_format"),
        ({}, "body"),
        ([], "body"),
        ("{", "body"),
    ],
)
def test_a_fault_has_one_name_at_both_doors(body, param):
    """The filter and the gateway name the same field for the same body."""
    raw = body.encode() if body == "{" else json.dumps(body).encode()
    with pytest.raises(ValidationError) as fault:
        ChatRequest.model_validate_json(raw)
    with pytest.raises(RequestError) as refused:
        read_body(raw)
    over_http = invalid_request(fault.value).param
    assert refused.value.param == over_http
    assert over_http == (param or "messages[0].tool_calls[0].function.arguments")
