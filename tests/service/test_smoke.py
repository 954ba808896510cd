"""`tapetum smoke` says yes to a service, and no to what only looks like one."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from web import says, web

from tapetum.delivery import smoke
from tapetum.image import decode

ROOT = Path(__file__).parents[2]


def address(service) -> str:
    return str(service.client.base_url)


def test_a_service_passes_with_a_line_for_each_promise(service, run_until_exit):
    ran = run_until_exit("smoke", address(service))

    assert ran.returncode == 0, ran.stdout
    lines = ran.stdout.splitlines()
    assert all(line.startswith("ok    ") for line in lines)
    for word in (
        "/health",
        "/ready",
        "a form",
        "a raw body",
        "what is no picture",
        "half a picture",
        "counts",
        "ids come back",
    ):
        assert sum(word in line for line in lines) == 1, word


def test_a_picture_of_ones_own_must_get_the_class_that_is_expected(service, run_until_exit, trained):
    picture = ["--picture", str(trained / "pictures" / "dark" / "00.png")]

    right = run_until_exit("smoke", address(service), *picture, "--expect", "dark")
    wrong = run_until_exit("smoke", address(service), *picture, "--expect", "bright", "--json")

    assert right.returncode == 0, right.stdout
    assert wrong.returncode == 1
    failed = [check["found"] for check in json.loads(wrong.stdout) if not check["is_kept"]]
    assert failed == ["'dark' instead of 'bright'"] * 2


def test_a_key_is_sent_and_not_printed(start, run_until_exit, tmp_path):
    (tmp_path / "keys").write_text("# for the smoke test\nan-api-key-of-the-shop\n")
    service = start(TAPETUM_API_KEYS_FILE=str(tmp_path / "keys"))

    without = run_until_exit("smoke", address(service))
    given = run_until_exit("smoke", address(service), "--api-key-file", str(tmp_path / "keys"))

    assert without.returncode == 1
    assert "401" in without.stdout
    assert given.returncode == 0, given.stdout
    assert "an-api-key" not in given.stdout + given.stderr


def test_nobody_there_fails_after_one_line(run_until_exit):
    ran = run_until_exit("smoke", "http://127.0.0.1:9", "--wait", "0.3")

    assert ran.returncode == 1
    assert len(ran.stdout.splitlines()) == 1
    assert "no answer" in ran.stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["localhost:8000"], "is no address of a service"),
        (["http://[::1"], "is no address of a service"),
        (["http://127.0.0.1:9", "--expect", "cat"], "--expect needs --picture"),
        (["http://127.0.0.1:9", "--picture", "nowhere.jpg"], "'nowhere.jpg' does not exist"),
    ],
)
def test_a_wrong_call_is_named(run_until_exit, arguments, words):
    ran = run_until_exit("smoke", *arguments)

    assert ran.returncode == 2
    assert words in ran.stderr


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (says(302, Location="http://127.0.0.1:9/"), "status 302 instead of 200"),
        (says(200, b"[]"), "not an answer of Tapetum: TypeError"),
        (says(200, b"[" * 100_000), "not an answer of Tapetum: RecursionError"),
    ],
    ids=["elsewhere", "a list", "without end"],
)
def test_what_answers_otherwise_is_not_ready(run_until_exit, answer, words):
    with web() as place:
        place.answers = [answer]
        ran = run_until_exit("smoke", place.url)

    assert ran.returncode == 1
    assert ran.stdout.startswith(f"FAIL  /ready says that it can answer: {words}")


def test_what_only_looks_like_a_service_fails_every_check_but_its_lies(run_until_exit):
    """It says yes to everything, in JSON, and does nothing."""
    yes = {"ready": True, "device": "cpu", "status": "healthy", "model_loaded": True, "version": "1"}
    with web() as place:
        place.answers = [says(200, json.dumps(yes).encode())]
        ran = run_until_exit("smoke", place.url, "--json", "--load", "20", "--seconds", "1")

    *_, loaded = json.loads(ran.stdout)
    assert (loaded["sent"], loaded["wrong"], loaded["is_kept"]) == (20, 20, False)
    kept = [check["name"] for check in json.loads(ran.stdout) if check["is_kept"]]
    assert ran.returncode == 1
    assert kept == ["/ready says that it can answer", "/health says that it lives", "/metrics can be read"]


def test_under_load_everything_is_answered_rightly_and_counted(service, run_until_exit):
    ran = run_until_exit("smoke", address(service), "--load", "40", "--seconds", "1")

    assert ran.returncode == 0, ran.stdout
    words, model = ran.stdout.splitlines()[-2:]
    assert words.startswith("ok    /predict loses nothing under load: 40 sent, 40 answered rightly, 0 refused, 0 wrong")
    assert model.split()[0] == "by"
    assert model.endswith(": 40")


def test_the_script_of_the_deployment_calls_it(service, tmp_path):
    command = [ROOT / "deploy" / "smoke-test.sh", address(service)]
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"

    ran = subprocess.run(
        command,
        env=os.environ | {"PATH": path},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )

    assert "ok    ids come back" in ran.stdout, ran.stderr


def test_the_built_in_picture_is_one():
    assert decode(smoke.example()).size == (64, 64)
