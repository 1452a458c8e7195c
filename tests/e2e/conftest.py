"""What the container tests share: Docker or a reason, and images built once."""

import os

import pytest

from e2e import engine

# testcontainers' own cleaner is one more image to pull; these tests clean up after themselves.
os.environ.setdefault("TESTCONTAINERS_RYUK_DISABLED", "true")


@pytest.fixture(scope="session")
def docker():
    """Docker answers; else the tests are skipped with the reason, or fail where it is required."""
    if reason := engine.missing():
        if os.environ.get("REQUIRE_DOCKER") == "1":
            pytest.fail(f"REQUIRE_DOCKER=1, and {reason}")
        pytest.skip(reason)


@pytest.fixture(scope="session")
def images(docker):  # noqa: ARG001 -- Docker first, or a reason
    """The project's images, built from its own Dockerfiles as `docker compose` builds them."""
    engine.run(
        "docker", "compose", "--profile", "bus", "--profile", "console", "build", "--quiet", within=1500
    )
