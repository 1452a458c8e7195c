"""The version is that of the package `stile` (pyproject.toml); `make version` writes it everywhere else."""

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
PACKAGES = sorted(ROOT.glob("*/pyproject.toml"))
DOCKERFILES = sorted(ROOT.glob("*/Dockerfile"))
OWN = re.compile(r"stile-[a-z]+(\[[a-z-]+\])?")


def by_folder(files):
    return pytest.mark.parametrize("file", files, ids=lambda file: file.parent.name)


@by_folder([ROOT / "pyproject.toml", *PACKAGES])
def test_each_package_has_it_and_wants_it_of_the_others(file):
    """No package can be installed beside another version of one that it is made for."""
    project = tomllib.loads(file.read_text())["project"]
    assert project["version"] == VERSION
    for requirement in project.get("dependencies", []):
        if own := OWN.match(requirement):
            assert requirement == f"{own[0]}=={VERSION}"


def test_the_crate_has_it():
    """Its own description, and the lock file's."""
    folder = ROOT / "rust-consumer"
    assert tomllib.loads((folder / "Cargo.toml").read_text())["package"]["version"] == VERSION
    locked = tomllib.loads((folder / "Cargo.lock").read_text())["package"]
    assert [entry["version"] for entry in locked if entry["name"] == "stile-consumer"] == [VERSION]


@by_folder(DOCKERFILES)
def test_each_image_is_labelled_with_it(file):
    """The label's value is an argument of the build, whose default it is."""
    text = file.read_text()
    assert f"\nARG STILE_VERSION={VERSION}\n" in text
    assert 'org.opencontainers.image.version="${STILE_VERSION}"' in text


def test_compose_names_the_images_of_it():
    """Each image of Stile, from a registry that the release names."""
    names = re.findall(r"^ *image: (.*stile-.*)$", (ROOT / "docker-compose.yml").read_text(), re.MULTILINE)
    assert len(names) == len(DOCKERFILES) + 1  # bus-port is written in the file itself
    for name in names:
        assert re.fullmatch(rf"\$\{{STILE_REGISTRY:-\}}stile-[a-z-]+:\$\{{STILE_VERSION:-{VERSION}\}}", name)


def test_the_tests_of_the_images_run_these():
    """`make e2e` builds with Compose, and runs what it has built."""
    named = re.findall(r'"stile-[a-z]+:(.*)"', (ROOT / "tests" / "e2e" / "containers.py").read_text())
    assert set(named) == {VERSION}
