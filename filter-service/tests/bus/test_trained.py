"""The trained check in a process of its own."""

import subprocess
import sys


def test_loading_takes_nothing_that_training_needs():
    """No numpy, no torch: what is needed is in the wheel."""
    code = (
        "import sys; from stile_filter.guard.trained.heads import load_heads; load_heads();"
        "print(sorted({'numpy', 'scipy', 'sklearn', 'torch', 'llm_guard'} & set(sys.modules)))"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
