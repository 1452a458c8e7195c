"""The page's files: what is served, how, and that they are what they say."""

import hashlib
import json
import re
import shutil
from pathlib import Path
from urllib.parse import urljoin

import httpx
import pytest

import stile_gateway
from stile_gateway.app import create_app
from stile_gateway.http import page
from stile_gateway.settings import Settings
from stile_runtime.web import assets

FOLDER = Path(stile_gateway.__file__).parent / page.FOLDER
FILES = assets.bodies(FOLDER)
MOST_BYTES = 110_000
"""Of the first load, compressed."""
OWN = [path for path in FILES if path.endswith((".css", ".html", ".js")) and not path.startswith("vendor/")]


@pytest.fixture
async def client():
    """A client of the application, which is not connected to any bus."""
    transport = httpx.ASGITransport(create_app(Settings()))
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        yield client


async def test_the_page_and_all_that_it_names_are_served(client):
    """Every address in the document and every import in a module is there, with its type."""
    answer = await client.get("/")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/html; charset=utf-8")
    addresses = {f"/{address}" for address in re.findall(r'(?:src|href)="(page/[^"]+)"', answer.text)}
    for path in FILES:
        if path.endswith(".js"):
            addresses |= {urljoin(f"/page/{path}", name) for name in imported(path, lazily=True)}
    assert len(addresses) > 20
    for address in addresses:
        answer = await client.get(address)
        assert answer.status_code == 200, address
        if address.endswith("js"):
            assert answer.headers["content-type"] == "text/javascript; charset=utf-8"


def imported(path, *, lazily):
    """Return the relative addresses of the modules that a module needs, or may need."""
    text = FILES[path].decode()
    names = re.findall(r'^(?:import|export)\b[^;]*?"(\.[^"]+)"', text, re.MULTILINE)
    return [*names, *(re.findall(r'(?:import|new URL)\("(\.[^"]+)"', text) if lazily else [])]


async def test_every_file_carries_the_policy(client):
    """Nothing from elsewhere, no script in the page, no frame around it; types are not guessed."""
    for address in ("/", "/page/app.js", "/page/style.css", "/page/icon.svg"):
        headers = (await client.get(address)).headers
        policy = dict(part.split(" ", 1) for part in headers["content-security-policy"].split("; "))
        assert policy["default-src"] == "'none'"
        assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == "'self'"
        assert policy["frame-ancestors"] == policy["base-uri"] == policy["form-action"] == "'none'"
        assert policy["require-trusted-types-for"] == "'script'"
        assert "unsafe" not in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"


async def test_a_file_is_sent_again_only_where_it_has_changed(client):
    """Browsers ask each time, and a file that they have costs a 304 without a body."""
    first = await client.get("/page/app.js")
    assert first.headers["cache-control"] == "no-cache"
    etag = first.headers["etag"]
    for known in (etag, etag.removeprefix("W/"), f'"other", {etag}', "*"):
        again = await client.get("/page/app.js", headers={"If-None-Match": known})
        assert (again.status_code, again.content) == (304, b"")
        assert again.headers["etag"] == first.headers["etag"]
    assert (await client.get("/page/app.js", headers={"If-None-Match": '"other"'})).status_code == 200


async def test_the_stylesheets_are_one_file(client):
    """In the order of the document, in which later ones override earlier ones."""
    named = re.findall(r'rel="stylesheet" href="page/([^"]+)"', (FOLDER / "index.html").read_text())
    assert len(named) > 5
    (served,) = re.findall(r'rel="stylesheet" href="(page/[^"]+)"', (await client.get("/")).text)
    answer = await client.get(f"/{served}")
    assert answer.headers["content-type"] == "text/css; charset=utf-8"
    assert answer.content == b"\n".join(FILES[path] for path in named)


async def test_a_file_at_the_address_of_its_version_is_not_asked_for_again(client):
    """The document is, and names the version. A file of another version is this one's, for now."""
    document = await client.get("/")
    assert document.headers["cache-control"] == "no-cache"
    (version,) = set(re.findall(r'"page/([0-9a-f]{16})/', document.text))
    file = await client.get(f"/page/{version}/app.js")
    assert file.headers["cache-control"] == "public, max-age=31536000, immutable"
    other = await client.get(f"/page/{'0' * 16}/app.js")
    assert (other.status_code, other.content) == (200, file.content)
    assert other.headers["cache-control"] == "no-cache"


async def test_files_are_compressed_for_whoever_takes_it(client):
    """A client that takes no gzip gets the same bytes plain."""
    for path in ["/", *(f"/page/{name}" for name in page.read_page().assets)]:
        answer = await client.get(path, headers={"Accept-Encoding": "gzip, br"})
        assert (answer.headers["content-encoding"], answer.headers["vary"]) == ("gzip", "Accept-Encoding")
        for plain in ("identity", "br", "gzip;q=0, br"):
            assert (await client.get(path, headers={"Accept-Encoding": plain})).content == answer.content


async def test_the_first_load_is_small(client):
    """What the document and its modules name, and one language; what is loaded later does not count."""
    document = await client.get("/", headers={"Accept-Encoding": "gzip"})
    paths = {
        re.sub("^[0-9a-f]{16}/", "", path)
        for path in re.findall(r'(?:src|href)="page/([^"]+\.(?:css|m?js|svg))"', document.text)
    }
    new = paths
    while (
        new := {
            urljoin(path, name)
            for path in new
            if path.endswith("js")
            for name in imported(path, lazily=False)
        }
        - paths
    ):
        paths |= new
    assert {"app.js", "views/exchange.js", "style.css"} <= paths
    assert not {path for path in paths if path.startswith("vendor/")}
    files = page.read_page().assets
    total = int(document.headers["content-length"])
    for path in paths:
        answer = await client.get(f"/page/{path}", headers={"Accept-Encoding": "gzip"})
        total += int(answer.headers["content-length"])
    total += max(len(asset.compressed) for path, asset in files.items() if path.startswith("languages/"))
    assert 40_000 < total < MOST_BYTES


async def test_the_page_can_be_installed(client):
    """Its manifest has icons of the sizes that browsers want, and begins at the page."""
    document = (await client.get("/")).text
    (address,) = re.findall(r'rel="manifest" href="([^"]+)"', document)
    answer = await client.get(f"/{address}")
    assert answer.headers["content-type"] == "application/manifest+json"
    manifest = answer.json()
    assert urljoin(f"/{address}", manifest["start_url"]) == urljoin(f"/{address}", manifest["scope"]) == "/"
    sizes = set()
    for icon in manifest["icons"]:
        image = await client.get(urljoin(f"/{address}", icon["src"]), headers={"Accept-Encoding": "identity"})
        assert image.headers["content-type"] == icon["type"]
        if icon["type"] == "image/png":
            sizes.add((icon["sizes"], icon.get("purpose", "any")))
            width = int.from_bytes(image.content[16:20], "big")
            assert f"{width}x{width}" == icon["sizes"]
    assert sizes == {("192x192", "any"), ("512x512", "any"), ("512x512", "maskable")}


async def test_the_service_worker_has_the_version_and_the_files(client):
    """It is another one for each version, may answer for all of the page, and stores nothing but files."""
    answer = await client.get("/page/install/service-worker.js")
    assert answer.headers["cache-control"] == "no-cache"
    assert urljoin("/page/install/service-worker.js", answer.headers["service-worker-allowed"]) == "/"
    version = re.match(r'const VERSION = "([0-9a-f]{16})";', answer.text)[1]
    assert f'"page/{version}/app.js"' in (await client.get("/")).text
    stored = json.loads(re.search(r"const FILES = (.+);", answer.text)[1])
    assert {"app.js", "vendor/temml.min.mjs", "vendor/Temml.woff2"} <= set(stored)
    assert set(stored) < set(page.read_page().assets)


def test_a_change_of_any_file_is_another_version(tmp_path):
    """Also of the service worker itself."""
    copy = tmp_path / "page"
    shutil.copytree(FOLDER, copy)
    versions = {page.read_page(copy).version}
    for path in ("index.html", "app.js", page.SERVICE_WORKER, "install/icon-192.png"):
        with (copy / path).open("ab") as file:
            file.write(b" ")
        versions.add(page.read_page(copy).version)
    assert len(versions) == 5


async def test_the_page_is_told_the_limits_of_this_gateway():
    """It checks a file before it is attached. They are never stored."""
    settings = Settings(max_body_bytes=5000, max_prompt_chars=300)
    transport = httpx.ASGITransport(create_app(settings))
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        answer = await client.get("/page/limits.json")
    assert answer.json() == {"body_bytes": 5000, "question_chars": 300}
    assert answer.headers["cache-control"] == "no-cache"


@pytest.mark.parametrize(
    "path", ["nothing.js", "", "../main.py", "%2e%2e/main.py", "vendor/README.md", "//etc/passwd"]
)
async def test_nothing_else_is_served(client, path):
    """Other paths, and those that lead out of the folder, are errors in the API's shape."""
    answer = await client.get(f"/page/{path}")
    assert answer.status_code == 404
    assert answer.json()["error"]["code"] == "not_found"


async def test_the_page_is_no_part_of_the_api(client):
    """Its addresses are not in the document; the API's own page stays where it was."""
    paths = (await client.get("/openapi.json")).json()["paths"]
    assert not [path for path in paths if path == "/" or path.startswith("/page")]
    assert (await client.get("/docs")).status_code == 200


@pytest.mark.parametrize("path", OWN)
def test_the_page_names_nothing_elsewhere(path):
    """No address with a host, no style or handler in an attribute, and no way from text to markup."""
    text = FILES[path].decode()
    addresses = set(re.findall(r"https?://[^\s\"')]+", text))
    assert addresses <= {
        "http://www.w3.org/2000/svg",
        "https://html.spec.whatwg.org/multipage/server-sent-events.html",
    }
    assert not re.search(
        r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function", text
    )
    if path.endswith(".html"):
        assert not re.search(r"\s(style|on\w+)=", text)
        assert "<style" not in text


def test_the_vendored_files_are_as_published():
    """Each library is listed with its version and sum, has its licence, and is not a byte different."""
    table = (FOLDER / "vendor" / "README.md").read_text()
    listed = dict(re.findall(r"^\| `([\w.-]+)` \|.*`([0-9a-f]{64})` \|$", table, re.MULTILINE))
    files = {
        path.name: path for path in (FOLDER / "vendor").iterdir() if path.suffix not in {".md", ".LICENSE"}
    }
    assert listed.keys() == files.keys()
    for name, path in files.items():
        assert hashlib.sha256(path.read_bytes()).hexdigest() == listed[name]
        package, version = re.search(rf"`{re.escape(name)}` \| ([\w-]+) ([\d.]+)", table).groups()
        if path.suffix != ".woff2":
            assert version in path.read_text()[:300]
        assert (FOLDER / "vendor" / f"{package}.LICENSE").is_file()
