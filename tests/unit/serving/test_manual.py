"""The page at /docs: nothing in it is without its meaning."""

import re
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from tapetum.serving.app import create_app
from tapetum.settings import Settings


@pytest.fixture(scope="module")
def client() -> TestClient:
    return TestClient(create_app(Settings(bundle=Path("nowhere"), workers=0, log_level="warning")))


@pytest.fixture(scope="module")
def page(client) -> str:
    return client.get("/docs").text


def test_every_parameter_and_body_has_a_meaning(page):
    rows = re.findall(r"<tr><th[^>]*>(header|path|query|body|field of it)</th><td>(.*?)</td><td>(.*?)</td></tr>", page)

    assert len(rows) > 30
    assert [row for row in rows if not row[2]] == []


def test_what_stands_in_backticks_is_code(page):
    assert "`" not in page
    assert "sent as the multipart field <code>file</code> or as the raw body" in page


def test_nobody_is_sent_elsewhere_where_a_key_might_follow_unencrypted(client):
    response = client.post("/predict/", content=b"picture", follow_redirects=False)

    assert (response.status_code, "location" in response.headers) == (404, False)
