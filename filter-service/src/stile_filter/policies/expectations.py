"""Runs the policy's own ``tests:``, at every load, before the policy judges a request."""

import asyncio
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

from stile_contracts.messages import ChatMessage, ChatRequest, Role
from stile_filter.errors import Fault, PolicyError
from stile_filter.guard.decide import State, Verdict
from stile_filter.guard.policy import Location, RefuseTest
from stile_filter.guard.texts import RequestTexts
from stile_filter.policies import trial

if TYPE_CHECKING:
    from stile_filter.policies.draft import Draft
    from stile_filter.policies.guard import Guard

TESTS_SECONDS = 60.0
"""For all tests together."""

_SCANNER_FAILURES = (State.ERROR, State.TIMEOUT, State.TOO_SLOW)


async def check(guard: "Guard | Draft") -> None:
    """Run the tests.

    Raises:
        PolicyError: a line for each test that fails, without its text.
    """
    faults: list[Fault] = []
    try:
        async with asyncio.timeout(TESTS_SECONDS):
            async for location, reason in _failures(guard):
                faults.append(guard.policy.file.fault(location, reason))
    except TimeoutError:
        faults.append(guard.policy.file.fault(("tests",), f"not done within {TESTS_SECONDS:g} s"))
    if faults:
        raise PolicyError(guard.policy.file.path, faults)


async def _failures(guard: "Guard | Draft") -> AsyncIterator[tuple[Location, str]]:
    tests = guard.policy.tests
    for index, refused in enumerate(tests.refuse):
        if (reason := await _refusal_fault(guard, refused)) is not None:
            yield ("tests", "refuse", index), reason
    for index, passed in enumerate(tests.let_pass):
        verdict = await _verdict(guard, texts_of(guard, passed.text, Role(passed.role)))
        if verdict.state is not State.ALLOW:
            yield ("tests", "pass", index), f"should pass: {_in_words(verdict)}"


async def _refusal_fault(guard: "Guard | Draft", test: RefuseTest) -> str | None:
    texts = texts_of(guard, test.text, Role(test.role))
    verdict = await _verdict(guard, texts)
    if verdict.state is not State.REFUSE:
        return f"should be refused: {_in_words(verdict)}"
    if test.rule in (None, verdict.rule and verdict.rule.id):
        return None
    # After the first rule that refuses, the others are not run.
    others = {finding.rule for finding in await trial.findings(guard, texts) if finding.is_hit}
    return None if test.rule in others else f"should be refused by {test.rule}: {_in_words(verdict)}"


async def _verdict(guard: "Guard | Draft", texts: RequestTexts) -> Verdict:
    await asyncio.sleep(0)  # requests have their turn between two texts
    verdict = await guard.decider.decide(texts)
    if verdict.state in _SCANNER_FAILURES:
        # A machine that is busy for a moment is no fault of the policy.
        verdict = await guard.decider.decide(texts)
    return verdict


def texts_of(guard: "Guard | Draft", text: str, role: Role) -> RequestTexts:
    """Make the texts of a request of one message."""
    request = ChatRequest(messages=[ChatMessage(role=role, content=text)])
    return RequestTexts(request, cleans=guard.policy.cleans)


def _in_words(verdict: Verdict) -> str:
    rule = verdict.rule.id if verdict.rule else "a scanner"
    return {
        State.ALLOW: "it passes",
        State.REFUSE: f"{rule} refuses it",
        State.ERROR: f"{rule} could not judge it",
        State.TIMEOUT: f"{rule} did not judge it in time",
        State.TOO_SLOW: f"{rule} took too long",
    }[verdict.state]
