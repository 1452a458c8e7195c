"""What a release gives to users of Docker without a checkout (`make bundle`)."""

import json
import subprocess
import tarfile
import tomllib
from pathlib import Path

from harness.nats.bus import REPOSITORY

REGISTRY = "registry.example/somebody/"
VERSION = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]["version"]


def test_the_bundle_has_every_file_and_names_the_registry(tmp_path):
    """Compose finds all that it mounts, and takes Stile's images from the release's registry."""
    subprocess.run(
        ["make", "bundle", f"REGISTRY={REGISTRY}"], cwd=REPOSITORY, check=True, capture_output=True
    )
    with tarfile.open(REPOSITORY / "dist" / f"stile-compose-{VERSION}.tar.gz") as bundle:
        bundle.extractall(tmp_path, filter="data")
    folder = tmp_path / "stile"
    described = subprocess.run(
        ["docker", "compose", "--profile", "*", "config", "--format", "json"],
        cwd=folder,
        check=True,
        capture_output=True,
        text=True,
    )
    services = json.loads(described.stdout)["services"].values()
    mounted = {
        Path(volume["source"])
        for service in services
        for volume in service.get("volumes", [])
        if volume["type"] == "bind"
    }
    assert mounted == {folder / "models", folder / "filter-service"}
    assert (folder / "models" / "models.toml").is_file()
    assert (folder / "filter-service" / "policy.yml").is_file()
    own = {service["image"] for service in services if "stile-" in service["image"]}
    names = ("bus-port", "cli", "console", "consumer", "filter", "gateway")
    assert own == {f"{REGISTRY}stile-{name}:{VERSION}" for name in names}
