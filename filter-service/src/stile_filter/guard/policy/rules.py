"""The rules of a policy, as a request is judged by them."""

from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict

from stile_filter.guard.policy.document import Action, Target

SECRETS = {"Credentials", "Secrets"}
"""The scanners that look for secrets."""


class Rule(BaseModel):
    """What a finding names."""

    model_config = ConfigDict(frozen=True)

    id: str
    category: str
    action: Action
    on_prompts: bool = True
    on_answers: bool = False


class Scanner(Rule):
    """A scanner rule, ready to be built in a child process."""

    type: str
    params: dict[str, Any]
    line: int
    excepted: tuple[str, ...] = ()
    """Patterns."""
    is_there: bool = True
    """False if it is optional and its model's folder is missing."""


FORGED = Rule(id="control_tokens", category="control_tokens", action=Action.REFUSE)
"""The built-in rule."""

RECITAL = Rule(
    id="system_prompt", category="system_prompt", action=Action.REFUSE, on_prompts=False, on_answers=True
)
"""The built-in rule of answers."""


def targets(applies_to: Sequence[Target]) -> dict[str, bool]:
    """Return the fields of a rule that say what it applies to."""
    return {"on_prompts": Target.PROMPT in applies_to, "on_answers": Target.ANSWER in applies_to}
