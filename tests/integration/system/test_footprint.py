"""What a process imports, and what it does not: each of these takes megabytes and a tenth of a second."""

import subprocess
import sys

import pytest


def packages(code: str) -> set[str]:
    """Return the packages that a process has imported after ``code``."""
    program = f"import sys\n{code}\nprint(*(name for name, module in sys.modules.items() if module))"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True
    )
    return {name.partition(".")[0] for name in done.stdout.split()}


@pytest.mark.parametrize(
    ("service", "absent"),
    [
        ("gateway", {"rich", "attr", "pygments", "watchfiles"}),
        ("console", {"rich", "attr", "pygments", "watchfiles"}),
        ("filter", {"rich", "attr", "pygments", "uvicorn", "click"}),
    ],
)
def test_a_service_imports_nothing_for_no_use(service, absent):
    """Its libraries import these only because they are installed."""
    start = (
        "import os\nos.environ['STILE_NATS_URL'] = 'no address'\n"
        f"from stile_{service}.__main__ import main\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
    )
    imported = packages(start)
    assert "structlog" in imported
    assert imported & absent == set()


def test_a_process_of_stiles_own_scanners_imports_little():
    """No event loop, no logging library, and nothing of LLM-Guard."""
    build = "from stile_filter.guard.scanners import child, registry\n" + "\n".join(
        f"registry.build({name!r}, {{}})('What time is it?')"
        for name in ("HiddenText", "Credentials", "TrainedInjection", "TrainedHarm")
    )
    absent = {"asyncio", "gorget", "llm_guard", "numpy", "pydantic", "structlog", "transformers"}
    assert packages(build) & absent == set()
