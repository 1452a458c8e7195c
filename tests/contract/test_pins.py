"""What is installed and what builds it has one version, and a hash if that can be had."""

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROJECTS = sorted(ROOT.glob("*/pyproject.toml"))
DOCKERFILES = sorted(ROOT.glob("*/Dockerfile"))

REQUIREMENT = re.compile(r"[A-Za-z0-9_.-]+")
HASH = re.compile(r"--hash=(sha256:[0-9a-f]{64})")


def read(path: Path) -> dict:
    return tomllib.loads(path.read_text())


def name_of(requirement: str) -> str:
    return REQUIREMENT.match(requirement)[0].lower().replace("_", "-")


def test_uv_is_the_one_of_the_lock():
    """`make setup` and the images install the uv of uv.lock, and pip checks its wheel's hash."""
    locked = next(package for package in read(ROOT / "uv.lock")["package"] if package["name"] == "uv")
    text = (ROOT / "requirements-uv.txt").read_text()
    requirements = [line for line in text.splitlines() if line and line[0] not in " #"]
    assert requirements == [f"uv=={locked['version']} \\"]
    assert set(HASH.findall(text)) == {wheel["hash"] for wheel in locked["wheels"]}


def test_what_builds_our_packages_has_one_version():
    """Each build tool is named with its version, and the lock was made with the same."""
    constraints = read(ROOT / "pyproject.toml")["tool"]["uv"]["build-constraint-dependencies"]
    versions = dict(constraint.split("==") for constraint in constraints)
    locked = read(ROOT / "uv.lock")["manifest"]["build-constraints"]
    assert {entry["name"]: entry["specifier"] for entry in locked} == {
        name: f"=={version}" for name, version in versions.items()
    }
    for project in PROJECTS:
        for requirement in read(project)["build-system"]["requires"]:
            assert name_of(requirement) in versions, f"{project.parent.name} is built with {requirement}"


def test_maturin_has_the_same_version_everywhere():
    """The release calls it by itself, to link with zig."""
    constraints = read(ROOT / "pyproject.toml")["tool"]["uv"]["build-constraint-dependencies"]
    (version,) = [pin.partition("==")[2] for pin in constraints if pin.startswith("maturin==")]
    called = re.findall(r"maturin\[zig\]==([0-9.]+)", (ROOT / "Makefile").read_text())
    assert called == [version]


@pytest.mark.parametrize(
    "file", [ROOT / "Makefile", *DOCKERFILES], ids=lambda file: str(file.relative_to(ROOT))
)
def test_pip_installs_by_hash_alone(file: Path):
    """Whatever is fetched with pip, before uv is there, is held against a hash."""
    for line in file.read_text().replace("\\\n", " ").splitlines():
        if "pip install" in line and "$(UV) pip" not in line:
            assert "--require-hashes" in line, line
