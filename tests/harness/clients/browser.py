"""Which browser the page is tested in: one that the machine has, as Playwright's own is not fetched."""

import os
import shutil

VARIABLE = "TEST_BROWSER"
"""Names a program, or its path, in place of the first one that is there."""
HEADLESS_SHELL = "chromium-headless-shell"
"""Chromium without windows, and without notifications: half of the processor time."""
PROGRAMS = ("chromium", "google-chrome", "google-chrome-stable", "chromium-browser")
"""Debian's Chromium first, then Chrome; Ubuntu's `chromium-browser` last, as it may only start a snap."""


def find(*, whole: bool = False) -> str | None:
    """Return the browser's path; None if there is none on PATH.

    Args:
        whole: not the headless shell.

    Raises:
        LookupError: the one that ``TEST_BROWSER`` names is not there.
    """
    if named := os.environ.get(VARIABLE):
        if found := shutil.which(named):
            return found
        raise LookupError(f"{VARIABLE}={named}: there is no such program")
    programs = PROGRAMS if whole else (HEADLESS_SHELL, *PROGRAMS)
    return next(filter(None, map(shutil.which, programs)), None)
