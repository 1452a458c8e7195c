"""Reads a YAML file so that every value's line is known."""

from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, SequenceNode

from stile_filter.errors import Fault, PolicyError

Location = tuple[int | str, ...]
"""The way to a value: keys and indexes, as pydantic gives them."""


class PolicyFile:
    """A parsed YAML file.

    Args:
        path: of the file.

    Raises:
        PolicyError: it can't be read, or is no YAML mapping.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self.content = path.read_bytes()
            self.data: Any = YAML(typ="safe", pure=True).load(self.content)
            self._root: Node | None = YAML(typ="safe", pure=True).compose(self.content)
        except OSError as error:
            raise PolicyError(path, [Fault(1, f"can't be read: {error.strerror}")]) from error
        except MarkedYAMLError as error:
            line = error.problem_mark.line + 1 if error.problem_mark else 1
            raise PolicyError(path, [Fault(line, f"no valid YAML: {error.problem}")]) from error
        except (YAMLError, ValueError) as error:
            # A value that its own tag does not fit (a date of month 13) is a plain ValueError.
            raise PolicyError(path, [Fault(1, f"no valid YAML: {error}")]) from error
        if self.data is None:
            self.data = {}

    def line(self, location: Location) -> int:
        """Return the line of the value at ``location``, or of the nearest thing around it that is there."""
        node, line = self._root, 1
        for step in location:
            if isinstance(node, MappingNode):
                pair = next((pair for pair in node.value if pair[0].value == str(step)), None)
                if pair is None:
                    break
                line, node = pair[0].start_mark.line + 1, pair[1]
            elif isinstance(node, SequenceNode) and isinstance(step, int) and step < len(node.value):
                node = node.value[step]
                line = node.start_mark.line + 1
            else:
                break
        return int(line)

    def error(self, location: Location, reason: str) -> PolicyError:
        """Make the error that ``reason`` is at ``location``."""
        return PolicyError(self.path, [Fault(self.line(location), reason)])


def name(location: Location) -> str:
    """Write ``location`` as people do: ``input_scanners[1].params``."""
    text = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in location)
    return text.removeprefix(".")
