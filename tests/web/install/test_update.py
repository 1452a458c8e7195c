"""A new version of the page: the next opening has it, whole, and nothing is lost."""

import asyncio
import contextlib
import shutil
from pathlib import Path

import pytest
import pytest_asyncio
import uvicorn
from fastapi import FastAPI, Response
from playwright.async_api import expect

import stile_gateway
from harness.processes.ports import free_port
from harness.processes.wait import until
from stile_gateway.http import page as pages

pytestmark = pytest.mark.asyncio(loop_scope="session")

FOLDER = Path(stile_gateway.__file__).parent / pages.FOLDER
LIMITS = {"body_bytes": 1_048_576, "question_chars": None}
VERSIONS = """async () => (await caches.keys()).map((name) => name.split(" ").at(-1))"""


class Server:
    """Serves the page of one folder, and answers nothing."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}/"
        self.version = ""
        self.missing = ""
        """The end of an address at which there is nothing."""

    async def start(self) -> None:
        page = pages.read_page(self.folder)
        self.version = page.version
        app = FastAPI()
        app.include_router(pages.router(page, LIMITS))
        app.get("/readyz")(lambda: {"ready": True, "parts": {}})
        app.get("/v1/models")(lambda: {"data": []})

        @app.middleware("http")
        async def hold_back(request, call_next):
            if self.missing and request.url.path.endswith(self.missing):
                return Response(status_code=404)
            return await call_next(request)

        self._server = uvicorn.Server(uvicorn.Config(app, port=self.port, log_config=None, lifespan="off"))
        self._running = asyncio.create_task(self._server.serve())
        await until(lambda: self._server.started, what="the page is served")

    async def stop(self) -> None:
        self._server.should_exit = self._server.force_exit = True
        with contextlib.suppress(asyncio.CancelledError):
            await self._running

    async def release(self, **changes: str) -> None:
        """Serve another version: ``changes`` are texts that are put in the place of others in index.html."""
        await self.stop()
        document = self.folder / "index.html"
        text = document.read_text()
        for old, new in changes.items():
            assert old in text
            text = text.replace(old, new)
        document.write_text(text)
        await self.start()


@pytest_asyncio.fixture(loop_scope="session")
async def server(browser, tmp_path):  # noqa: ARG001 -- none without a browser
    """The page as it is in the package."""
    folder = tmp_path / "page"
    shutil.copytree(FOLDER, folder)
    server = Server(folder)
    await server.start()
    yield server
    await server.stop()


async def stored(chat_page):
    return await chat_page.page.evaluate(VERSIONS)


async def is_stored(chat_page, version):
    """Wait until the service worker has this version, and no other one."""
    await chat_page.is_installed()

    async def is_alone():
        return await stored(chat_page) == [version]

    await until(is_alone, what="the version is stored")


async def test_the_next_opening_has_the_new_version(open_chat_page, server):
    """At once, and the store has it too: without Stile, the new one opens. The old one's files are gone."""
    chat_page = await open_chat_page(server.url)
    await is_stored(chat_page, server.version)
    await server.release(Stile="Newer")
    await chat_page.page.reload()
    await expect(chat_page.page.locator(".brand")).to_have_text("Newer")
    await is_stored(chat_page, server.version)
    await server.stop()
    await chat_page.page.reload()
    await expect(chat_page.page.locator(".brand")).to_have_text("Newer")
    await server.start()


async def test_what_is_not_sent_outlasts_an_update(open_chat_page, server):
    """An open page is left alone. What is written and attached in it is there in the new version."""
    chat_page = await open_chat_page(server.url)
    await is_stored(chat_page, server.version)
    await chat_page.box.fill("Half a thou")
    notes = {"name": "notes.txt", "mimeType": "text/plain", "buffer": b"a line\n"}
    await chat_page.page.locator("#composer input[type=file]").set_input_files([notes])
    await expect(chat_page.page.locator("#composer .attachments li")).to_have_count(1)
    await server.release(Stile="Newer")
    await chat_page.page.evaluate("async () => (await navigator.serviceWorker.getRegistration()).update()")
    await is_stored(chat_page, server.version)
    await expect(chat_page.page.locator(".brand")).to_have_text("Stile")
    await expect(chat_page.box).to_have_value("Half a thou")
    await chat_page.page.reload()
    await expect(chat_page.page.locator(".brand")).to_have_text("Newer")
    await expect(chat_page.box).to_have_value("Half a thou")
    await expect(chat_page.page.locator("#composer .attachments li")).to_contain_text("notes.txt")


async def test_an_open_page_of_the_old_version_loads_what_it_needs_later(open_chat_page, server):
    """Its libraries come, although the server has another version by now."""
    chat_page = await open_chat_page(server.url)
    await is_stored(chat_page, server.version)
    old = await chat_page.page.evaluate("document.querySelector('script[src$=\"app.js\"]').src")
    await server.release(Stile="Newer")
    await chat_page.page.evaluate("async () => (await navigator.serviceWorker.getRegistration()).update()")
    await is_stored(chat_page, server.version)
    library = old.replace("app.js", "vendor/temml.min.mjs")
    made = await chat_page.page.evaluate(
        "async (address) => (await import(address)).default.renderToString('x')", library
    )
    assert "<math>" in made


async def test_a_version_that_is_only_half_there_is_not_stored(open_chat_page, server):
    """A file of it cannot be had. The old version stays whole, and opens without the server."""
    chat_page = await open_chat_page(server.url)
    await is_stored(chat_page, server.version)
    first = server.version
    server.missing = "words.js"
    await server.release(Stile="Newer")
    await chat_page.page.evaluate(
        """async () => {
          const registration = await navigator.serviceWorker.getRegistration();
          await registration.update();
          const worker = registration.installing;
          if (!worker || worker.state === "redundant") return;
          await new Promise((goOn) => worker.addEventListener("statechange", goOn, { once: true }));
        }"""
    )
    assert await stored(chat_page) == [first]
    await server.stop()
    await chat_page.page.reload()
    await expect(chat_page.page.locator(".brand")).to_have_text("Stile")
    await server.start()
