"""What the owner allows: ``policy.yml``, read and checked.

Layout:
    ``policy``    a policy that can be used
    ``document``  the file as it is written, typed
    ``rules``     the rules as a request is judged by them
    ``reader``    makes the rules, and reads the files that they name
    ``files``     reads files: whether one has changed, and in which line a value stands
"""

from stile_filter.guard.policy.document import (
    Action,
    ArchiveRules,
    ClientSystem,
    ControlTokens,
    KeywordList,
    Limits,
    PolicyDocument,
    RefuseTest,
    ScannerRule,
)
from stile_filter.guard.policy.files import (
    Files,
    Location,
    PolicyPath,
    default_policy,
    preset,
    presets,
)
from stile_filter.guard.policy.policy import Policy
from stile_filter.guard.policy.rules import FORGED, RECITAL, SECRETS, Rule, Scanner

__all__ = [
    "FORGED",
    "RECITAL",
    "SECRETS",
    "Action",
    "ArchiveRules",
    "ClientSystem",
    "ControlTokens",
    "Files",
    "KeywordList",
    "Limits",
    "Location",
    "Policy",
    "PolicyDocument",
    "PolicyPath",
    "RefuseTest",
    "Rule",
    "Scanner",
    "ScannerRule",
    "default_policy",
    "preset",
    "presets",
]
