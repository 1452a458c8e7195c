"""A labelled text, and what its labels may be."""

from dataclasses import dataclass, field

HEADS = (
    "injection",
    "harm",
    "sexual",
    "violence",
    "self_harm",
    "hate",
    "harassment",
    "crime",
    "weapons",
)
"""``harm`` is any of the seven behind it."""
CATEGORIES = HEADS[2:]


@dataclass(frozen=True, slots=True)
class Row:
    """One text. A head that its labels do not name learns nothing from it."""

    text: str
    source: str
    labels: dict[str, int] = field(default_factory=dict)
    weight: float = 1.0


def harmless(text: str, source: str) -> Row:
    """Return a row that no head may fire on."""
    return Row(text, source, dict.fromkeys(HEADS, 0))


def attack(text: str, source: str) -> Row:
    """Return a prompt injection; whether it asks for harm as well is not known."""
    return Row(text, source, {"injection": 1})


def harmful(text: str, source: str, categories: tuple[str, ...], *unknown: str, weight: float = 1.0) -> Row:
    """Return a request for harm. No category means that only ``harm`` is known."""
    labels = {"injection": 0, "harm": 1}
    if categories:
        labels |= {name: int(name in categories) for name in CATEGORIES if name not in unknown}
    return Row(text, source, labels, weight)
