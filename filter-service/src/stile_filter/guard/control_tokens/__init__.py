"""Control tokens: text that a model's reader takes for the structure of the conversation."""

from stile_filter.guard.control_tokens.markers import has_marker
from stile_filter.guard.control_tokens.neutralising import broken, neutralised

__all__ = ["broken", "has_marker", "neutralised"]
