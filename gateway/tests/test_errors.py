"""The tree of errors, and what is translated into it."""

import nats.errors
import nats.js.errors
import pytest

from stile_contracts.errors import ERRORS, ErrorCode
from stile_gateway import errors
from stile_gateway.bus import translate
from stile_gateway.errors import GatewayError, from_http

RELAYED_ONLY = {
    ErrorCode.IN_PROGRESS,
    ErrorCode.CANCELLED,
    ErrorCode.CONTEXT_LENGTH_EXCEEDED,
    ErrorCode.FILTER_ERROR,
    ErrorCode.FILTER_TIMEOUT,
    ErrorCode.DEADLINE_EXCEEDED,
    ErrorCode.MODEL_FAILED,
    ErrorCode.MODEL_UNAVAILABLE,
    ErrorCode.ANSWER_UNCHECKED,
    ErrorCode.TOO_MANY_ATTEMPTS,
    ErrorCode.MALFORMED_MESSAGE,
}
"""Codes that only the filter or the consumer can know."""


def descendants(kind):
    for child in kind.__subclasses__():
        yield child
        yield from descendants(child)


def test_every_code_is_a_class_or_relayed():
    """A new code in the contract must be given a place here, and no class has a code of its own making."""
    own = {kind.code for kind in descendants(GatewayError) if "code" in vars(kind)}
    assert own | RELAYED_ONLY == set(ErrorCode)
    assert not own & RELAYED_ONLY


def test_the_branches_mean_what_the_contract_says():
    """What is a request's fault is final; what is unavailable may be sent again, and says when."""
    for kind in descendants(errors.RequestError):
        assert ERRORS[kind.code].final
        assert 400 <= ERRORS[kind.code].status < 500
    for kind in descendants(errors.UnavailableError):
        assert not ERRORS[kind.code].final
        assert ERRORS[kind.code].status in {404, 429, 503}
    for kind in descendants(errors.UnknownOutcomeError):
        assert not ERRORS[kind.code].final
        assert ERRORS[kind.code].status != 503


def test_the_tree_is_drawn_whole():
    """Every class stands in the module's drawing."""
    for kind in descendants(GatewayError):
        assert kind.__name__ in errors.__doc__


@pytest.mark.parametrize("kind", sorted(descendants(nats.errors.Error), key=str))
def test_every_error_of_the_bus_is_translated(kind):
    """None of nats-py's errors gets through as itself, and none without a code."""
    error = kind.__new__(kind)
    assert translate(error).code in {
        ErrorCode.BUS_UNAVAILABLE,
        ErrorCode.TOO_LARGE,
        ErrorCode.INTERNAL,
    }


def test_what_the_bus_refuses_surely_is_told_apart():
    """503 stands only for what was surely not sent."""
    assert translate(nats.errors.OutboundBufferLimitError()).code == ErrorCode.BUS_UNAVAILABLE
    assert translate(nats.errors.ConnectionClosedError()).code == ErrorCode.BUS_UNAVAILABLE
    assert translate(nats.errors.MaxPayloadError()).code == ErrorCode.TOO_LARGE
    assert translate(nats.errors.TimeoutError()).code == ErrorCode.INTERNAL


@pytest.mark.parametrize("status", range(400, 600))
def test_every_status_of_the_framework_is_translated(status):
    """Starlette's errors become the contract's, a client's fault never the gateway's nor the reverse."""
    kind = ERRORS[from_http(status).code]
    assert kind.status // 100 == status // 100
