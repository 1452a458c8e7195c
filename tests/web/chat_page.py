"""The page as a person has it before them: found by roles and labels, so that these are tested too."""

import re

from playwright.async_api import Page, Request, expect

from harness.processes.wait import until

WITHIN_MS = 30_000
expect.set_options(timeout=WITHIN_MS)

EXPECTED = "Failed to load resource"
"""What Chromium's console says of any answer above 399; the page says it better."""


class ChatPage:
    """One tab.

    Args:
        page: not yet at any address.
    """

    def __init__(self, page: Page) -> None:
        page.set_default_timeout(WITHIN_MS)
        self.page = page
        self.problems: list[str] = []
        """Errors of its scripts, and what its policy has forbidden."""
        self.requests: list[Request] = []
        page.on("pageerror", lambda error: self.problems.append(str(error)))
        page.on("console", self._hear)
        page.on("request", self._note)
        self.box = page.get_by_role("textbox", name="Your question")
        self.send = page.get_by_role("button", name="Send", exact=True)
        self.stop = page.get_by_role("button", name="Stop", exact=True)
        self.exchanges = page.locator(".exchange")
        self.questions = page.locator(".asked")
        self.answers = page.locator(".prose")
        self.answer = self.answers.last
        self.status = page.locator(".status").last
        self.notice = page.locator(".notice").last
        self.statistics = page.locator(".statistics").last
        self.trouble = page.locator("#trouble")
        self.conversations = page.get_by_role("navigation", name="Conversations").get_by_role("listitem")

    async def ask(self, question: str) -> None:
        """Write a question and send it."""
        await self.box.fill(question)
        await self.send.click()

    async def ask_and_hear(self, question: str) -> None:
        """Ask, and wait until nothing is being answered."""
        await self.ask(question)
        await self.is_over()

    async def is_over(self) -> None:
        """Wait until nothing is being answered."""
        await expect(self.exchanges.last).to_have_attribute("aria-busy", "false")

    async def is_writing(self) -> None:
        """Wait until the answer's first words are there."""
        await expect(self.answer).to_contain_text("echo:")
        await expect(self.stop).to_be_visible()

    async def is_installed(self) -> None:
        """Wait until the service worker has stored all files and answers for the page."""

        async def controls() -> bool:
            state = await self.page.evaluate("navigator.serviceWorker.controller?.state")
            return state == "activated"

        await until(controls, within=WITHIN_MS / 1000, what="the service worker has the page")

    @property
    def asked(self) -> list[dict[str, object]]:
        """The bodies of the chats that it has asked for, in order."""
        return [request.post_data_json for request in self.requests if self._is_chat(request)]

    async def names(self) -> dict[str, list[str]]:
        """Return what a screen reader calls each control, by role, as Chromium computes it."""
        session = await self.page.context.new_cdp_session(self.page)
        tree = await session.send("Accessibility.getFullAXTree")
        names: dict[str, list[str]] = {}
        for node in tree["nodes"]:
            if not node.get("ignored"):
                names.setdefault(node["role"]["value"], []).append(node.get("name", {}).get("value", ""))
        return names

    async def sideways(self) -> int:
        """Return by how many pixels the page is wider than the window.

        A phone's browser makes its ``innerWidth`` as wide as what does not fit, so the real width counts.
        """
        wide = await self.page.evaluate(
            "[document.documentElement, document.body, document.getElementById('transcript')]"
            ".map((element) => element.scrollWidth)"
        )
        return max(*wide, await self.page.evaluate("innerWidth")) - self.page.viewport_size["width"]

    def _note(self, request: Request) -> None:
        self.requests.append(request)

    @staticmethod
    def _is_chat(request: Request) -> bool:
        return request.method == "POST" and re.search(r"/chat$", request.url) is not None

    def _hear(self, message) -> None:
        if message.type in {"error", "warning"} and EXPECTED not in message.text:
            self.problems.append(message.text)
