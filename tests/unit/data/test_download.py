"""A file arrives whole and as promised, or not at all, whatever the server does."""

import hashlib
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from web import Web, says, serves, web

from tapetum.data.download import TRIES, download
from tapetum.errors import ConfigError, DownloadError, ResourceError

CONTENT = bytes(range(256)) * 40
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def server() -> Iterator[Web]:
    with web() as place:
        yield place


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "new" / "photos.zip"


@pytest.fixture
def naps() -> list[float]:
    """The pauses that were asked for."""
    return []


def left(target: Path) -> list[str]:
    return sorted(path.name for path in target.parent.iterdir())


def test_a_file_arrives_whole_and_alone(server, target):
    server.answers = [serves(CONTENT)]
    steps: list[tuple[str, int, int]] = []

    download(server.url, target, SHA256, lambda *step: steps.append(step))

    assert target.read_bytes() == CONTENT
    assert left(target) == ["photos.zip"]
    assert steps[-1] == ("download (kB)", 10, 10)


def test_a_cut_connection_is_taken_up_where_it_broke(server, target, naps):
    server.answers = [serves(CONTENT, cut_after=3000), serves(CONTENT, cut_after=2000), serves(CONTENT)]

    download(server.url, target, SHA256, sleep=naps.append)

    assert target.read_bytes() == CONTENT
    assert [asked.get("Range") for asked in server.asked] == [None, "bytes=3000-", "bytes=5000-"]
    assert naps == [1, 2]


def test_tries_are_bounded_and_the_next_run_goes_on(server, target, naps):
    server.answers = [serves(CONTENT, cut_after=100)]
    with pytest.raises(DownloadError, match=rf"failed {TRIES} times.*it goes on after the 500 bytes that have arrived"):
        download(server.url, target, SHA256, sleep=naps.append)
    assert not target.exists()
    assert naps == [1, 2, 4, 8]
    server.answers = [serves(CONTENT)]

    download(server.url, target, SHA256)

    assert server.asked[-1]["Range"] == "bytes=500-"
    assert target.read_bytes() == CONTENT
    assert left(target) == ["photos.zip"]


def test_a_file_that_changed_between_tries_is_begun_anew(server, target, naps):
    changed = CONTENT[::-1]
    server.answers = [serves(CONTENT, cut_after=3000), serves(changed, etag='"second"')]

    download(server.url, target, sleep=naps.append)

    assert server.asked[1]["If-Range"] == '"first"'
    assert target.read_bytes() == changed


def test_a_file_modified_at_another_time_is_begun_anew(server, target, naps):
    """Without an ETag the time of the last change is what tells."""
    first = says(200, CONTENT[:3000], Content_Length=len(CONTENT), Last_Modified="Mon, 01 Jan 2024 00:00:00 GMT")
    server.answers = [first, serves(CONTENT[::-1])]

    download(server.url, target, sleep=naps.append)

    assert server.asked[1]["If-Range"] == "Mon, 01 Jan 2024 00:00:00 GMT"
    assert target.read_bytes() == CONTENT[::-1]


@pytest.mark.parametrize("etag", [None, 'W/"weak"'])
def test_a_file_without_a_strong_mark_is_not_continued(server, target, naps, etag):
    server.answers = [serves(CONTENT, etag=etag, cut_after=3000), serves(CONTENT, etag=etag)]

    download(server.url, target, sleep=naps.append)

    assert "Range" not in server.asked[1]
    assert target.read_bytes() == CONTENT


def test_a_part_of_another_address_is_not_continued(server, target, naps):
    server.answers = [serves(CONTENT, cut_after=100)]
    with pytest.raises(DownloadError):
        download(f"{server.url}/one", target, sleep=naps.append)
    server.answers = [serves(CONTENT)]

    download(f"{server.url}/two", target)

    assert "Range" not in server.asked[-1]
    assert target.read_bytes() == CONTENT


def test_a_server_that_ignores_ranges_restarts_from_zero(server, target, naps):
    server.answers = [serves(CONTENT, cut_after=3000), says(200, CONTENT, ETag='"first"')]

    download(server.url, target, SHA256, sleep=naps.append)

    assert server.asked[1]["Range"] == "bytes=3000-"
    assert target.read_bytes() == CONTENT


def test_a_part_that_was_complete_only_takes_its_name(server, target, naps):
    """A run that died between the last byte and the rename; the server answers 416 to what follows."""
    server.answers = [serves(CONTENT, cut_after=100)]
    with pytest.raises(DownloadError):
        download(server.url, target, sleep=naps.append)
    target.with_name("photos.zip.part").write_bytes(CONTENT)
    server.answers = [serves(CONTENT)]

    download(server.url, target, SHA256)

    assert server.asked[-1]["Range"] == f"bytes={len(CONTENT)}-"
    assert target.read_bytes() == CONTENT


@pytest.mark.parametrize("extent", ["bytes */7", None], ids=["shorter", "unsaid"])
def test_a_range_that_cannot_be_satisfied_restarts_from_zero(server, target, naps, extent):
    server.answers = [serves(CONTENT, cut_after=3000), says(416, Content_Range=extent), serves(CONTENT)]

    download(server.url, target, SHA256, sleep=naps.append)

    assert [asked.get("Range") for asked in server.asked] == [None, "bytes=3000-", None]
    assert target.read_bytes() == CONTENT


def test_416_to_a_first_request_is_an_error(server, target):
    server.answers = [says(416)]

    with pytest.raises(DownloadError, match=r"answered with status 416 .*: check the address"):
        download(server.url, target)


def test_another_range_than_asked_for_is_never_joined(server, target, naps):
    wrong = says(206, CONTENT[10:], Content_Range=f"bytes 10-{len(CONTENT) - 1}/{len(CONTENT)}")
    server.answers = [serves(CONTENT, cut_after=3000), wrong]

    with pytest.raises(DownloadError, match="another range than the one after 3000 bytes"):
        download(server.url, target, sleep=naps.append)

    assert not target.exists()


def test_a_body_shorter_than_announced_is_an_error(server, target, naps):
    """Without a mark to continue by, each try ends as short as the first."""
    server.answers = [says(200, CONTENT, Content_Length=len(CONTENT) + 1)]

    with pytest.raises(
        DownloadError, match=rf"failed {TRIES} times, at last with .*expected {len(CONTENT) + 1}\): try again later$"
    ):
        download(server.url, target, sleep=naps.append)

    assert not target.exists()


def test_a_part_shorter_than_its_file_is_an_error(server, target, naps):
    short = says(206, CONTENT[3000:4000], ETag='"first"', Content_Range=f"bytes 3000-3999/{len(CONTENT)}")
    server.answers = [serves(CONTENT, cut_after=3000), short]

    with pytest.raises(DownloadError, match=f"a part that ends at 4000 bytes of a file of {len(CONTENT)}"):
        download(server.url, target, sleep=naps.append)


def test_a_rest_of_unsaid_length_must_reach_the_end_of_its_range(server, target, naps):
    extent = f"bytes 3000-{len(CONTENT) - 1}/{len(CONTENT)}"
    short = says(206, CONTENT[3000:4000], ETag='"first"', Content_Length=None, Content_Range=extent)
    server.answers = [serves(CONTENT, cut_after=3000), short, serves(CONTENT)]

    download(server.url, target, SHA256, sleep=naps.append)

    assert [asked.get("Range") for asked in server.asked] == [None, "bytes=3000-", "bytes=4000-"]


def test_a_body_longer_than_announced_fails_its_checksum(server, target):
    """HTTP ends a body at its Content-Length, so only the checksum can tell that more was sent."""
    server.answers = [says(200, CONTENT, Content_Length=len(CONTENT) - 1)]

    with pytest.raises(DownloadError, match=rf"has the SHA-256 {hashlib.sha256(CONTENT[:-1]).hexdigest()}, expected"):
        download(server.url, target, SHA256)

    assert left(target) == []


def test_a_part_longer_than_its_file_is_an_error(server, target, naps):
    long = says(206, CONTENT[3000:] + b"more", Content_Range=f"bytes 3000-{len(CONTENT) - 1}/{len(CONTENT)}")
    server.answers = [serves(CONTENT, cut_after=3000), long]

    with pytest.raises(
        DownloadError, match=f"a part that ends at {len(CONTENT) + 4} bytes of a file of {len(CONTENT)}"
    ):
        download(server.url, target, sleep=naps.append)

    assert not target.exists()


def test_a_length_that_nobody_announced_is_taken_as_it_comes(server, target):
    server.answers = [says(200, CONTENT, Content_Length=None)]
    totals: set[int] = set()

    download(server.url, target, SHA256, lambda stage, done, total: totals.add(total))

    assert target.read_bytes() == CONTENT
    assert totals == {0}


def test_a_wrong_checksum_names_both_and_keeps_nothing(server, target):
    server.answers = [serves(CONTENT)]

    with pytest.raises(DownloadError, match=rf"has the SHA-256 {SHA256}, expected {'0' * 64}: it is not the promised"):
        download(server.url, target, "0" * 64)

    assert left(target) == []


def test_a_checksum_in_capitals_is_the_same(server, target):
    server.answers = [serves(CONTENT)]

    download(server.url, target, SHA256.upper())

    assert target.read_bytes() == CONTENT


def test_a_checksum_that_is_none_is_refused_before_asking(server, target):
    with pytest.raises(ConfigError, match=r"--sha256 is 'abc': expected 64 hexadecimal digits"):
        download(server.url, target, "abc")

    assert server.asked == []


@pytest.mark.parametrize("status", [401, 403, 404])
def test_a_refusal_is_not_tried_again(server, target, status):
    server.answers = [says(status)]

    with pytest.raises(DownloadError, match=rf"answered with status {status} .*: check the address"):
        download(server.url, target)

    assert len(server.asked) == 1
    assert left(target) == []


def test_a_server_in_trouble_is_tried_again(server, target, naps):
    server.answers = [says(500), says(503), serves(CONTENT)]

    download(server.url, target, SHA256, sleep=naps.append)

    assert target.read_bytes() == CONTENT
    assert naps == [1, 2]


def test_a_server_that_stays_in_trouble_is_named_with_its_answer(server, target, naps):
    server.answers = [says(500)]

    with pytest.raises(DownloadError, match=rf"failed {TRIES} times, at last with status 500"):
        download(server.url, target, sleep=naps.append)

    assert len(server.asked) == TRIES


def test_redirects_are_followed_and_bounded(server, target):
    server.answers = [says(302, Location="/there"), serves(CONTENT)]
    download(server.url, target, SHA256)
    server.answers = [says(302, Location="/again")]

    with pytest.raises(DownloadError, match="redirects more than 10 times"):
        download(server.url, target.with_name("other.zip"))

    assert left(target) == ["photos.zip"]


def test_a_redirect_out_of_http_is_not_followed(server, target):
    server.answers = [says(302, Location="file:///etc/hostname")]

    with pytest.raises(DownloadError, match="leads to no http address"):
        download(server.url, target)


@pytest.mark.parametrize("url", ["ftp://example.org/a.zip", "file:///etc/hostname"])
def test_only_http_is_fetched(target, url):
    with pytest.raises(ConfigError, match="is neither http:// nor https://"):
        download(url, target)


def test_the_bound_on_size_holds_for_what_is_announced_and_for_what_comes(server, target):
    for announced in (len(CONTENT), None):
        server.answers = [says(200, CONTENT, Content_Length=announced)]

        with pytest.raises(DownloadError, match=r"at most 10,239 are fetched|more than 10,239 bytes"):
            download(server.url, target, max_bytes=len(CONTENT) - 1)

        assert left(target) == []


def test_a_file_larger_than_the_free_disk_is_refused_before_it_comes(server, target, tmp_path):
    server.answers = [says(200, Content_Length=shutil.disk_usage(tmp_path).total)]

    with pytest.raises(ResourceError, match="free some space, or choose another folder"):
        download(server.url, target, max_bytes=10**18)

    assert left(target) == []


def test_no_server_at_all_is_named(target, naps):
    with web() as gone:
        url = gone.url

    with pytest.raises(DownloadError, match=rf"{url} failed {TRIES} times, at last with .*[Cc]onnect"):
        download(url, target, sleep=naps.append)


def test_a_password_in_the_address_stays_out_of_the_message(server, target):
    server.answers = [says(404)]

    with pytest.raises(DownloadError, match=r"http://me:\*\*\*@127"):
        download(server.url.replace("//", "//me:secret@"), target)


def test_an_address_that_is_none_is_named(target):
    with pytest.raises(DownloadError, match=r"http://host:port/ leads to no http address \(Invalid port"):
        download("http://host:port/", target)


@pytest.mark.parametrize(("name", "value"), [("HTTP_PROXY", "nonsense://x"), ("SSL_CERT_FILE", "/nowhere.pem")])
def test_an_environment_that_cannot_be_used_is_named(target, monkeypatch, name, value):
    monkeypatch.setenv(name, value)

    with pytest.raises(ConfigError, match=r"cannot be used \(.*\): check HTTP_PROXY.* and SSL_CERT_FILE"):
        download("http://localhost/a.zip", target)
