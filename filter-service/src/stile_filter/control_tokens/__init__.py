"""Control tokens: text that a model's reader takes for the structure of the conversation."""

from stile_filter.control_tokens.markers import has_marker
from stile_filter.control_tokens.neutralising import neutralised
from stile_filter.control_tokens.requests import find

__all__ = ["find", "has_marker", "neutralised"]
