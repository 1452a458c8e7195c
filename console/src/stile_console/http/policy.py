"""``/api/policy``: the policy's file, what the filter says of it, and a change of it."""

from typing import Annotated, Any

import structlog
from fastapi import APIRouter, Request
from pydantic import BaseModel, Field

from stile_console.http.dependencies import services_of
from stile_console.policies import replay
from stile_console.policies.file import PolicyText
from stile_contracts.messages import PolicyFault, PolicyVerdict

log = structlog.get_logger(__name__)

router = APIRouter(prefix="/api/policy")

Text = Annotated[str, Field(max_length=1_000_000)]


class PolicyView(PolicyText):
    """The policy's file, and what can be done with it."""

    has_archive: bool


class Trial(BaseModel):
    """A text to try."""

    text: Annotated[str, Field(min_length=1, max_length=100_000)]
    policy: Text | None = None
    """Instead of the one in use."""


class Draft(BaseModel):
    """A policy that is not in use yet."""

    policy: Text


class Change(Draft):
    """A policy that is to be used."""

    base: str
    """The digest of the text that it was made from."""


class Checked(BaseModel):
    """Whether a policy can be used."""

    version: str | None
    faults: list[PolicyFault]


class Applied(BaseModel):
    """What became of a change."""

    is_applied: bool
    faults: list[PolicyFault]


class Replay(Draft):
    """What a replay needs."""

    key: Annotated[str, Field(max_length=1000)]
    days: Annotated[int, Field(ge=1, le=365)] = 7


@router.get("")
def policy(request: Request) -> PolicyView:
    """Return the policy's file."""
    services = services_of(request)
    has_archive = replay.is_possible(services.settings.archive)
    return PolicyView(**services.policies.file.read().model_dump(), has_archive=has_archive)


@router.post("/try", response_model_exclude_none=True)
async def try_text(request: Request, sent: Trial) -> PolicyVerdict:
    """Say what each rule says of a text."""
    return await services_of(request).policies.verdict(sent.text, sent.policy)


@router.post("/check")
async def check(request: Request, sent: Draft) -> Checked:
    """Say what is wrong with a policy; its own tests are run."""
    version, faults = await services_of(request).policies.faults(sent.policy)
    return Checked(version=version, faults=faults)


@router.put("")
async def apply(request: Request, sent: Change) -> Applied:
    """Use a policy from now on, without a restart; one with a fault changes nothing."""
    is_applied, faults = await services_of(request).policies.apply(sent.policy, sent.base)
    log.info("policy_applied" if is_applied else "policy_not_applied", faults=len(faults))
    return Applied(is_applied=is_applied, faults=faults)


@router.post("/replay")
async def replay_archive(request: Request, sent: Replay) -> dict[str, Any]:
    """Say what a policy would have done with the archive's requests, in counts."""
    services = services_of(request)
    folder = services.policies.file.path.parent
    return await replay.replay(services.settings.archive, sent.policy, folder, sent.key, sent.days)
