"""axe-core, which looks for barriers in a page: little contrast, controls without names."""

from playwright.async_api import Page

from harness.clients import node

_SCRIPT = node.FOLDER / "node_modules" / "axe-core" / "axe.min.js"


async def violations(page: Page) -> list[str]:
    """Return what axe-core finds in the page as it is now, by all its rules; one line for each element.

    Raises:
        subprocess.CalledProcessError: axe-core could not be installed.
    """
    node.install()
    if not await page.evaluate("'axe' in window"):
        await page.evaluate(_SCRIPT.read_text())
    found = await page.evaluate("axe.run(document, { resultTypes: ['violations'] })")
    return [
        f"{rule['id']} ({rule['impact']}): {element['target']}: {element['failureSummary']}"
        for rule in found["violations"]
        for element in rule["nodes"]
    ]
