"""Reads the files of a policy: knows whether one has changed, and in which line each value stands."""

import os
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, SequenceNode

from stile_filter.errors import Fault, PolicyError
from stile_runtime.watched_file import version

_PRESETS = "presets"
"""The folder of the policies that are chosen by name, beside the default one."""

_MODELS = "../models/"
"""How a policy that comes with the service names a model's folder."""

Location = tuple[int | str, ...]
"""The way to a value: keys and indexes, as pydantic gives them."""


def default_policy() -> Path:
    """Find the policy that comes with the service: in the wheel, or in the checkout."""
    package = Path(__file__).parents[2]
    packaged = package / "policy.yml"
    return packaged if packaged.exists() else package.parents[1] / "policy.yml"


def preset(name: str) -> Path:
    """Return the file of a policy that comes with the service and is chosen by name: ``school``."""
    return default_policy().parent / _PRESETS / f"{name}.yml"


def presets() -> list[str]:
    """Return the names of these policies."""
    return sorted(file.stem for file in preset("*").parent.glob("*.yml"))


def _by_name(policy: Path) -> Path:
    return policy if policy.suffix or policy.name != str(policy) else preset(policy.name)


PolicyPath = Annotated[Path, AfterValidator(_by_name)]
"""A setting: the path of a policy, or the bare name of one that comes with the service."""


class Files:
    """Reads the files of a policy, and knows whether one of them has changed.

    Args:
        paths: files to watch from now on, even if they are not read.
        weights: where `stile guard pull` puts models, if it is not beside the policies of the service.
    """

    def __init__(self, *paths: Path, weights: Path | None = None) -> None:
        self._versions: dict[Path, object] = {}
        self._weights = weights
        self._watched = paths
        for path in paths:
            self._note(path)

    def again(self, path: Path) -> "Files":
        """Return a new reader, which watches ``path`` and what this one watched from the start."""
        return Files(*{path: None, **dict.fromkeys(self._watched)}, weights=self._weights)

    def find(self, folder: Path, relative: str) -> Path:
        """Return the file of this name in ``folder``, or else beside the policies that come with the service.

        So a copy of such a policy finds its word lists from anywhere. A model is also looked for in the
        folder of the weights.
        """
        here = folder / relative
        self._note(here)
        if here.exists():
            return here
        shipped = default_policy().parent
        own = [Path(os.path.normpath(place / relative)) for place in (shipped, shipped / _PRESETS)]
        if self._weights is not None and relative.startswith(_MODELS):
            pulled = self._weights / relative.removeprefix(_MODELS)
            self._note(pulled)
            own.append(pulled)
        return next((path for path in own if path.exists()), here)

    def read(self, path: Path) -> bytes:
        """Read a file.

        Raises:
            OSError: it can't be read.
        """
        self._note(path)
        return path.read_bytes()

    @property
    def paths(self) -> list[Path]:
        """The files that were read or looked for."""
        return list(self._versions)

    def have_changed(self) -> bool:
        """Return whether a file has changed, come or gone since it was first noted."""
        return any(version(path) != before for path, before in self._versions.items())

    def state(self) -> tuple[object, ...]:
        """Return the present state of the files; another state is never equal to it."""
        return tuple(map(version, self._versions))

    def _note(self, path: Path) -> None:
        # Before it is read: a change while it is read counts.
        self._versions.setdefault(path, version(path))


class PolicyFile:
    """A parsed YAML file.

    Args:
        path: of the file.
        files: reads it.

    Raises:
        PolicyError: it can't be read, or is no YAML mapping.
    """

    def __init__(self, path: Path, files: Files) -> None:
        self.path = path
        try:
            self.content = files.read(path)
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
        """Make the error of one fault."""
        return PolicyError(self.path, [self.fault(location, reason)])

    def fault(self, location: Location, reason: str) -> Fault:
        """Say with its line what is wrong with the value at ``location``: ``limits.messages: …``."""
        return Fault(self.line(location), f"{_name(location)}: {reason}" if location else reason)


def _name(location: Location) -> str:
    """Write ``location`` as people do: ``input_scanners[1].params``."""
    text = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in location)
    return text.removeprefix(".")
