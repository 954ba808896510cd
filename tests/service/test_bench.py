"""`tapetum bench` measures a bundle or a running service, and says why where it cannot."""

import json
from xml.etree import ElementTree

import pytest

QUICK = ("--seconds", "0.3")


def address(service) -> str:
    return str(service.client.base_url)


def test_a_bundle_is_served_measured_and_drawn(bundle_path, run_until_exit, tmp_path):
    ran = run_until_exit(
        *("bench", str(bundle_path), *QUICK, "--clients", "1,2", "--rates", "20,50%", "--form"),
        *("--out", "figures.json", "--plot", "plot.svg"),
    )

    assert ran.returncode == 0, ran.stderr
    lines = ran.stdout.splitlines()
    assert "8 pictures of" in lines[0]
    assert [line[:19].strip() for line in lines[2:4]] == ["closed, 1 client", "closed, 2 clients"]
    assert lines[4].startswith("open, 20/s")
    document = json.loads((tmp_path / "figures.json").read_text())
    assert [(each["clients"], each["rate"] is None) for each in document["loads"]] == [
        *((1, True), (2, True)),
        *((None, False), (None, False)),
    ]
    for each in document["loads"]:
        assert each["answers"] == {"200": each["requests"]}, each
        assert each["server_cpu_ms"] >= 0
    # The clock of processor time may be as coarse as 10 ms.
    assert sum(each["server_cpu_ms"] for each in document["loads"]) > 0
    drawn = ElementTree.fromstring((tmp_path / "plot.svg").read_bytes())  # noqa: S314 (our own)
    assert drawn.tag.endswith("svg")


def test_a_running_service_is_asked_with_ones_own_pictures_and_key(start, run_until_exit, tmp_path, trained):
    (tmp_path / "keys").write_text("# of the shop\nan-api-key-of-the-shop\n")
    service = start(TAPETUM_API_KEYS_FILE=str(tmp_path / "keys"))
    pictures = trained / "pictures" / "bright"
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "thumbs.db").write_bytes(b"no picture")
    asked = ("bench", address(service), *QUICK, "--rates", "20", "--picture", str(pictures))

    without = run_until_exit(*asked)
    given = run_until_exit(
        *asked, "--api-key-file", "keys", "--picture", "notes", "--arrivals", "even", "--plot", "plot.png"
    )

    assert without.returncode == 2
    assert "status 401" in without.stderr
    assert given.returncode == 0, given.stderr
    assert "40 pictures of" in given.stdout
    assert "an-api-key" not in given.stdout + given.stderr
    assert len(given.stdout.splitlines()) == 3
    assert (tmp_path / "plot.png").read_bytes().startswith(b"\x89PNG")


def test_what_is_refused_is_counted(start, run_until_exit):
    """One picture may be at the service at a time, and four clients ask."""
    service = start(TAPETUM_MAX_PENDING="1")

    ran = run_until_exit("bench", address(service), *QUICK, "--clients", "4")

    assert ran.returncode == 0, ran.stderr
    assert "503: " in ran.stdout.splitlines()[-1]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["http://127.0.0.1:9"], "does not answer"),
        (["http://"], "is no address of a service"),
        (["nowhere"], "there is no bundle"),
        (["nowhere", "--rates", "0"], "--rates has '0': expected numbers from 1"),
        (["nowhere", "--rates", "much"], "--rates has 'much'"),
        (["nowhere", "--rates", "50%"], "give --clients too"),
        (["nowhere", "--clients", "0"], "--clients has '0': expected whole numbers from 1 to 256"),
        (["nowhere", "--plot", "plot.pdf"], "ends in .svg or .png"),
        (["nowhere", "--picture", "."], "has no pictures"),
        (["nowhere", "--seconds", "601"], "0.1<=x<=600"),
    ],
)
def test_a_wrong_call_is_named_before_anything_is_measured(run_until_exit, arguments, words):
    ran = run_until_exit("bench", *arguments)

    assert ran.returncode == 2
    assert words in ran.stderr
    assert "Traceback" not in ran.stderr
