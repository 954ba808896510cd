"""`tapetum data fetch` as users type it, and the real kagglehub against a server of our own."""

import io
import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from web import Web, says, serves, web

Run = Callable[..., subprocess.CompletedProcess[str]]
BOTH_WAYS = "set KAGGLE_USERNAME and KAGGLE_KEY, or put the kaggle.json of https://www.kaggle.com/settings into"


@pytest.fixture
def server() -> Iterator[Web]:
    with web() as place:
        yield place


@pytest.fixture
def run(server: Web, tmp_path: Path) -> Run:
    """`tapetum data fetch` in an empty folder and an empty home, where localhost is our server, for kagglehub too."""

    def runner(*arguments: object, **variables: str) -> subprocess.CompletedProcess[str]:
        plain = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
        plain = {name: value for name, value in plain.items() if not name.startswith("KAGGLE")}
        # kagglehub has two addresses for tests, both with fixed ports; a proxy leads from there to ours.
        ours = {"HOME": str(tmp_path), "KAGGLE_API_ENVIRONMENT": "LOCALHOST", "HTTP_PROXY": server.url}
        command = [sys.executable, "-m", "tapetum", "data", "fetch", *map(str, arguments)]
        environment = plain | ours | variables
        return subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120, check=False
        )

    return runner


def zipped(contents: dict[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as packed:
        for name, content in contents.items():
            packed.writestr(name, content)
    return stream.getvalue()


def kaggle(contents: dict[str, bytes]) -> list[Callable[..., None]]:
    """What Kaggle answers: the current version of the dataset, then its archive."""
    version = json.dumps({"currentVersionNumber": 1}).encode()
    return [says(200, version, Content_Type="application/json"), serves(zipped(contents))]


def held(root: Path) -> list[str]:
    return sorted(path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file())


def test_an_archive_at_an_address_becomes_a_folder(run, server, tmp_path):
    photos = {f"photos/{label}/{number}.jpg": b"x" for label in ("cat", "dog") for number in range(9)}
    server.answers = [serves(zipped(photos))]

    fetched = run("http://localhost/photos.zip", "--to", "data/pets", "--limit", "4")
    again = run("http://localhost/photos.zip", "--to", "data/pets")

    assert (fetched.returncode, fetched.stderr) == (0, "")
    assert fetched.stdout == "http://localhost/photos.zip → data/pets\n"
    assert [name[:3] for name in held(tmp_path / "data" / "pets")] == ["cat", "cat", "dog", "dog"]
    assert again.stdout == "data/pets exists and is kept as it is; http://localhost/photos.zip was not fetched\n"
    assert len(server.asked) == 1


def test_what_cannot_be_fetched_is_one_line_and_exit_code_2(run, server, tmp_path):
    server.answers = [says(404)]

    ran = run("http://localhost/photos.zip", "--to", "data/pets")

    assert ran.returncode == 2
    assert ran.stderr.startswith("tapetum: http://localhost/photos.zip answered with status 404 Not Found: check")
    assert held(tmp_path) == []


def test_cats_and_dogs_come_from_kaggle_with_credentials_of_the_environment(run, server, tmp_path):
    photos = {"PetImages/Cat/1.jpg": b"cat", "PetImages/Dog/2.jpg": b"dog", "PetImages/Cat/Thumbs.db": b"x"}
    server.answers = kaggle(photos | {"readme.txt": b"x"})

    ran = run("cats-dogs", "--to", "pets", KAGGLE_USERNAME="me", KAGGLE_KEY="secret")

    assert ran.returncode == 0, ran.stderr
    assert ran.stdout == "cats-dogs → pets\n"
    assert held(tmp_path / "pets") == ["cat/1.jpg", "dog/2.jpg"]
    assert server.asked[1]["Authorization"] == "Basic bWU6c2VjcmV0"


def test_cats_and_dogs_come_from_kaggle_with_kaggle_json(run, server, tmp_path):
    (tmp_path / ".kaggle").mkdir()
    (tmp_path / ".kaggle" / "kaggle.json").write_text('{"username": "me", "key": "secret"}')
    server.answers = kaggle({f"PetImages/{label}/{number}.jpg": b"x" for label in ("Cat", "Dog") for number in "1234"})

    ran = run("cats-dogs", "--to", "pets", "--limit", 4)

    assert ran.returncode == 0, ran.stderr
    assert [name[:3] for name in held(tmp_path / "pets")] == ["cat", "cat", "dog", "dog"]
    assert server.asked[1]["Authorization"] == "Basic bWU6c2VjcmV0"


def test_kaggle_without_credentials_names_both_ways_and_asks_nobody(run, server, tmp_path):
    ran = run("cats-dogs", "--to", "pets")

    assert ran.returncode == 2
    assert BOTH_WAYS in ran.stderr
    assert server.asked == []
    assert not (tmp_path / "pets").exists()


def test_a_broken_kaggle_json_is_named(run, server, tmp_path):
    (tmp_path / ".kaggle").mkdir()
    (tmp_path / ".kaggle" / "kaggle.json").write_text('{"username": "me"}')

    ran = run("cats-dogs", "--to", "pets")

    assert ran.returncode == 2
    assert "kaggle.json is missing 'key' key: set KAGGLE_USERNAME" in ran.stderr


def test_credentials_that_kaggle_refuses_are_an_error_in_one_line(run, server, tmp_path):
    refusal = json.dumps({"code": 401, "message": "Unauthenticated"}).encode()
    server.answers = [says(401, refusal, Content_Type="application/json")]

    ran = run("cats-dogs", "--to", "pets", KAGGLE_USERNAME="me", KAGGLE_KEY="wrong")

    assert ran.returncode == 2
    assert "dog-and-cat-classification-dataset did not come from Kaggle (401 Client Error" in ran.stderr
    assert BOTH_WAYS in ran.stderr
    assert "wrong" not in ran.stderr
    assert "Traceback" not in ran.stderr


def test_another_content_than_expected_is_shown(run, server, tmp_path):
    server.answers = kaggle({"Cats/1.jpg": b"x", "Dogs/1.jpg": b"x"})

    ran = run("cats-dogs", "--to", "pets", KAGGLE_USERNAME="me", KAGGLE_KEY="secret")

    assert ran.returncode == 2
    assert "from Kaggle holds Cats, Dogs: expected PetImages/Cat and PetImages/Dog" in ran.stderr
    assert not (tmp_path / "pets").exists()
