"""What stands at `/`, and the model card, on the application itself."""

import json
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import httpx
import pytest
from anyio.lowlevel import checkpoint

from tapetum.serving.app import create_app
from tapetum.serving.home import POLICY
from tapetum.settings import Settings

FIREFOX = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
Open = Callable[[Path], object]
pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
async def serve() -> AsyncIterator[Open]:
    """Serve a bundle in this process until the test ends."""
    async with AsyncExitStack() as stack:

        async def served(bundle: Path) -> httpx.AsyncClient:
            app = create_app(Settings(bundle=bundle, workers=0))
            await stack.enter_async_context(app.router.lifespan_context(app))
            transport = httpx.ASGITransport(app, raise_app_exceptions=False)
            client = httpx.AsyncClient(transport=transport, base_url="http://here")
            await stack.enter_async_context(client)
            while (await client.get("/ready")).status_code != 200:
                await checkpoint()  # which the request itself is not, where nothing in it waits
            return client

        yield served


@pytest.fixture
async def client(serve, bundle_path) -> httpx.AsyncClient:
    return await serve(bundle_path)


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        (FIREFOX, "text/html; charset=utf-8"),
        ("text/html", "text/html; charset=utf-8"),
        ("TEXT/HTML;q=0.7, application/json;q=0.3", "text/html; charset=utf-8"),
        ("*/*", "application/json"),
        ("", "application/json"),
        ("application/json", "application/json"),
        ("application/json, text/html;q=0.9", "application/json"),
        ("text/html;q=0", "application/json"),
        ("text/html;q=nan", "application/json"),
        ("text/html;q=7", "application/json"),
    ],
)
async def test_browsers_get_the_page_and_programs_what_the_service_is(client, accept, kind):
    answer = await client.get("/", headers={"Accept": accept})

    assert (answer.status_code, answer.headers["Content-Type"], answer.headers["Vary"]) == (200, kind, "Accept")
    if kind == "application/json":
        assert answer.json().keys() == {"message", "version", "docs"}


async def test_the_page_runs_nothing_but_its_own_files_which_a_browser_keeps(client):
    page = await client.get("/", headers={"Accept": FIREFOX})
    policy = page.headers["Content-Security-Policy"]
    addresses = [word.strip('"') for word in page.text.replace('href="', " ").replace('src="', " ").split()]
    addresses = sorted({address.partition('"')[0] for address in addresses if address.startswith("page/")})

    assert policy == POLICY
    assert "unsafe" not in policy
    assert len(addresses) == 3
    for address in addresses:
        file = await client.get(f"/{address}")
        assert (file.status_code, file.headers["Content-Security-Policy"]) == (200, POLICY)
        assert file.headers["Cache-Control"] == "public, max-age=31536000, immutable"
        other = await client.get(f"/{address.replace(address.split('/')[1], '0' * 16)}")
        assert other.status_code == 404
    known = await client.get("/", headers={"Accept": FIREFOX, "If-None-Match": page.headers["ETag"]})
    assert (known.status_code, known.content) == (304, b"")
    assert page.headers["Cache-Control"] == "no-cache"


@pytest.mark.parametrize("name", ["nothing.js", "index.html", "..%2Fhome.py", "%2e%2e%2fhome.py"])
async def test_only_files_of_the_page_are_given(client, name):
    page = await client.get("/", headers={"Accept": FIREFOX})
    folder = page.text.partition("page/")[2].partition("/")[0]

    assert (await client.get(f"/page/{folder}/{name}")).status_code == 404


async def test_the_card_has_what_the_bundle_was_measured_to_do(client, bundle_path):
    facts = json.loads((bundle_path / "bundle.json").read_text())

    card = (await client.get("/model-card")).json()

    assert card["scores"] == facts["scores"][card["precision"]]
    assert card["card"] == (bundle_path / "MODEL_CARD.md").read_text()
    assert (card["labels"], card["title"], card["has_report"]) == (["bright", "dark"], "pictures", True)
    assert card["model"]["version"] == facts["version"]


async def test_the_report_comes_as_it_was_sealed_and_confined(client, bundle_path):
    report = await client.get("/model-report")

    assert report.text == (bundle_path / "report.html").read_text()
    assert report.headers["Content-Security-Policy"].startswith("sandbox; default-src 'none'; img-src data:")


async def test_a_bundle_without_card_and_report_has_neither(serve, own_bundle):
    facts = json.loads((own_bundle / "bundle.json").read_text())
    for name in ("MODEL_CARD.md", "report.html"):
        (own_bundle / name).unlink()
        del facts["files"][name]
    (own_bundle / "bundle.json").write_text(json.dumps(facts | {"scores": {}}))
    client = await serve(own_bundle)

    card, report = (await client.get("/model-card")).json(), await client.get("/model-report")

    assert (card["card"], card["has_report"], card["scores"]) == (None, False, None)
    assert (report.status_code, report.json()["type"]) == (404, "urn:problem-type:tapetum:no-report")
    assert "tapetum evaluate" in report.json()["detail"]


async def test_a_report_that_was_changed_later_is_not_shown(serve, own_bundle):
    client = await serve(own_bundle)
    (own_bundle / "report.html").write_text("<h1>Always right</h1>")

    assert (await client.get("/model-report")).status_code == 500


async def test_other_answers_keep_the_policy_of_before(client):
    assert (await client.get("/health")).headers["Content-Security-Policy"] == "frame-ancestors 'none'"
