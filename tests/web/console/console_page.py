"""The console as its owner has it before them: found by roles and labels, so that these are tested too."""

from playwright.async_api import Page, expect

from web.chat_page import EXPECTED, WITHIN_MS


class ConsolePage:
    """One tab.

    Args:
        page: not yet at any address.
    """

    def __init__(self, page: Page) -> None:
        page.set_default_timeout(WITHIN_MS)
        self.page = page
        self.problems: list[str] = []
        """Errors of its scripts, and what its policy has forbidden."""
        page.on("pageerror", lambda error: self.problems.append(str(error)))
        page.on("console", self._hear)
        self.heading = page.get_by_role("heading", level=1)
        self.said = page.locator("#announcer")

    async def open(self, view: str) -> None:
        """Open a view by its link."""
        await (
            self.page.get_by_role("navigation", name="Views")
            .get_by_role("link", name=view, exact=True)
            .click()
        )
        await expect(self.heading).to_have_text(view)

    def button(self, name: str):
        """Return a button by its exact name."""
        return self.page.get_by_role("button", name=name, exact=True)

    def table(self, name: str):
        """Return a table by its caption."""
        return self.page.get_by_role("table", name=name)

    async def sideways(self) -> int:
        """Return by how many pixels the page is wider than the window."""
        wide = await self.page.evaluate("Math.max(document.documentElement.scrollWidth, innerWidth)")
        return wide - self.page.viewport_size["width"]

    def _hear(self, message) -> None:
        if message.type in {"error", "warning"} and EXPECTED not in message.text:
            self.problems.append(message.text)
