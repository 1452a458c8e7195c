"""The page's files: what is served, how, and that they are what they say."""

import hashlib
import re
from pathlib import Path
from urllib.parse import urljoin

import httpx
import pytest

import stile_gateway
from stile_gateway.app import create_app
from stile_gateway.http import page
from stile_gateway.settings import Settings

IMPORT = r'(?:from|import) "(\.[^"]+)"'
FOLDER = Path(stile_gateway.__file__).parent / page.FOLDER
OWN = sorted(
    path
    for path in FOLDER.rglob("*")
    if path.suffix in {".css", ".html", ".js"} and "vendor" not in path.relative_to(FOLDER).parts
)


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
    for path in FOLDER.rglob("*.js"):
        base = f"/page/{path.relative_to(FOLDER).as_posix()}"
        addresses |= {urljoin(base, name) for name in re.findall(IMPORT, path.read_text())}
    assert len(addresses) > 20
    for address in addresses:
        answer = await client.get(address)
        assert answer.status_code == 200, address
        if address.endswith("js"):
            assert answer.headers["content-type"] == "text/javascript; charset=utf-8"


async def test_every_file_carries_the_policy(client):
    """Nothing from elsewhere, no script in the page, no frame around it; types are not guessed."""
    for address in ("/", "/page/app.js", "/page/style/base.css", "/page/icon.svg"):
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


def first_load():
    """Return the addresses that a browser asks for at once, but for the language."""
    document = (FOLDER / "index.html").read_text()
    found = {"/"}
    waiting = [f"/{address}" for address in re.findall(r'(?:src|href)="(page/[^"]+)"', document)]
    while waiting:
        address = waiting.pop()
        if address in found:
            continue
        found.add(address)
        if address.endswith(".js"):
            text = (FOLDER / address.removeprefix("/page/")).read_text()
            waiting += [urljoin(address, name) for name in re.findall(IMPORT, text)]
    return found


async def test_files_are_compressed_for_whoever_takes_it(client):
    """The first load is under 110 kB; a client that takes no gzip gets the same bytes plain."""
    sizes = {}
    for path in ["/", *(f"/page/{name}" for name in page.read_assets())]:
        answer = await client.get(path, headers={"Accept-Encoding": "gzip, br"})
        assert (answer.headers["content-encoding"], answer.headers["vary"]) == ("gzip", "Accept-Encoding")
        sizes[path] = int(answer.headers["content-length"])
        for plain in ("identity", "br", "gzip;q=0, br"):
            assert (await client.get(path, headers={"Accept-Encoding": plain})).content == answer.content
    language = max(size for path, size in sizes.items() if "/languages/" in path)
    assert sum(sizes[path] for path in first_load()) + language < 110_000


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


@pytest.mark.parametrize("path", OWN, ids=lambda path: path.name)
def test_the_page_names_nothing_elsewhere(path):
    """No address with a host, no style or handler in an attribute, and no way from text to markup."""
    text = path.read_text()
    addresses = set(re.findall(r"https?://[^\s\"')]+", text))
    assert addresses <= {
        "http://www.w3.org/2000/svg",
        "https://html.spec.whatwg.org/multipage/server-sent-events.html",
    }
    assert not re.search(
        r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function", text
    )
    if path.suffix == ".html":
        assert not re.search(r"\s(style|on\w+)=", text)
        assert "<style" not in text


def test_the_vendored_files_are_as_published():
    """Each library is listed with its version and sum, has its licence, and is not a byte different."""
    table = (FOLDER / "vendor" / "README.md").read_text()
    listed = dict(re.findall(r"^\| `([\w.-]+)` \|.*`([0-9a-f]{64})` \|$", table, re.MULTILINE))
    files = {path.name: path for path in (FOLDER / "vendor").glob("*js")}
    assert listed.keys() == files.keys()
    for name, path in files.items():
        assert hashlib.sha256(path.read_bytes()).hexdigest() == listed[name]
        package, version = re.search(rf"`{re.escape(name)}` \| ([\w-]+) ([\d.]+)", table).groups()
        assert version in path.read_text()[:300]
        assert (FOLDER / "vendor" / f"{package}.LICENSE").is_file()
