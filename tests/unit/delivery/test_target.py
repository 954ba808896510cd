"""What is asked under load, and of whom."""

import pytest
from web import says, web

from tapetum import image
from tapetum.delivery import target
from tapetum.errors import ConfigError, ResourceError


def test_a_request_is_a_head_and_the_picture():
    asked = target.pictures("http://shop.example/api/", [b"one", b"three"], {"Authorization": "Bearer k"})

    assert (asked.host, asked.port, asked.tls) == ("shop.example", 80, None)
    first, second = (request.decode() for request in asked.requests)
    assert first == (
        "POST /api/predict HTTP/1.1\r\nHost: shop.example\r\nAuthorization: Bearer k\r\nContent-Length: 3\r\n\r\none"
    )
    assert second.endswith("Content-Length: 5\r\n\r\nthree")


def test_an_address_may_have_a_port_and_tls():
    assert target.pictures("http://[::1]:8000", [b"x"], {}).port == 8000
    assert target.pictures("http://[::1]:8000", [b"x"], {}).host == "::1"
    secured = target.pictures("https://shop.example", [b"x"], {})
    assert (secured.port, secured.tls is not None) == (443, True)


@pytest.mark.parametrize("url", ["localhost:8000", "http://", "ftp://shop.example", "http://shop.example:99999"])
def test_what_is_no_address_is_named(url):
    with pytest.raises(ConfigError, match="is no address of a service"):
        target.pictures(url, [b"x"], {})


def test_generated_pictures_differ_and_have_the_size_of_photographs():
    pictures = target.generated()

    assert len(set(pictures)) == len(pictures) == 8
    assert {image.decode(content).size for content in pictures} == {(500, 375)}
    assert 20_000 < sum(map(len, pictures)) / len(pictures) < 30_000


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (says(401, b'{"detail": "no key was sent"}'), "status 401: no key was sent"),
        (says(404, b"<h1>nothing here</h1>"), "status 404: <h1>nothing here"),
        (says(200, b"", Content_Length=5), "does not answer"),
    ],
)
def test_a_refusal_is_told_with_its_reason(answer, words):
    with web() as place:
        place.answers = [answer]

        with pytest.raises(ResourceError, match=words):
            target.require_answer(place.url, b"x", {})
