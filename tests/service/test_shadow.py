"""A challenger that sees what a real service is asked, and never answers."""

import base64
import json
import os
import shutil
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import numpy as np
import onnx
import pytest
from onnx import numpy_helper
from running import Service, frozen, post, running, serve_command

from tapetum import bundle as bundles
from tapetum import files
from tapetum.scores import wilson

KEY = {"X-API-Key": "an-operator-key-of-night-shift"}
SURE = 50.0


def amended(path: Path, **changes: object) -> Path:
    """Change facts of a bundle, and seal it anew."""
    facts = json.loads((path / bundles.FACTS).read_text())
    (path / bundles.FACTS).write_text(json.dumps(facts | changes | {"files": None}))
    bundles.seal(bundles.load(path))
    return path


def gloomy(path: Path, *, is_honest: bool = True) -> Path:
    """Make a bundle call everything dark; its golden pictures say so too if it `is_honest`."""
    graph = onnx.load(path / bundles.GRAPH)
    (bias,) = (each for each in graph.graph.initializer if each.name == graph.graph.node[-1].input[2])
    bias.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(bias) + np.float32([0, SURE]), bias.name))
    onnx.save(graph, path / bundles.GRAPH)
    if is_honest:
        answers = dict(np.load(path / "golden" / "answers.npz"))
        answers["probabilities"] = np.broadcast_to(np.float64([0, 1]), answers["probabilities"].shape)
        np.savez(path / "golden" / "answers.npz", **answers)
    return amended(path, version="gloomy")


class Shadowed(NamedTuple):
    """A service with a challenger, which is to see every picture."""

    service: Service

    def told(self) -> dict[str, Any]:
        stats: dict[str, Any] = self.service.client.get("/model-stats", headers=KEY).json()["shadow"]
        return stats

    def series(self) -> dict[str, float]:
        lines = [line for line in self.service.client.get("/metrics").text.splitlines() if line.startswith("shadow_")]
        return {line.split()[0].removeprefix("shadow_"): float(line.split()[1]) for line in lines}

    def seen(self) -> int:
        """How many pictures were drawn and are done with."""
        told = self.told()
        return int(told["compared"] + told["skipped"])

    def compare(self, *pictures: bytes) -> list[httpx.Response]:
        """Post pictures, each once the one before was compared."""
        answers = []
        for picture in pictures:
            compared = self.told()["compared"]
            answers.append(post(self.service, picture))
            self.service.until(lambda before=compared: self.told()["compared"] == before + 1)
        return answers

    def process(self) -> int:
        """The process id of the challenger, as the log has it."""
        found: set[int] = set()

        def is_known() -> bool:
            lines = [line for line in self.service.lines() if line["event"] == "a process for the challenger"]
            found.update({int(str(line["pid"])) for line in lines} & set(self.service.workers()))
            return bool(found)

        self.service.until(is_known)
        (pid,) = found
        return pid

    def champion(self) -> list[int]:
        return [pid for pid in self.service.workers() if pid != self.process()]


@pytest.fixture(scope="module")
def challenger(bundle_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return gloomy(Path(shutil.copytree(bundle_path, tmp_path_factory.mktemp("challenger") / "gloomy")))


@pytest.fixture(scope="module")
def shadow(bundle_path: Path, challenger: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shadowed]:
    folder = tmp_path_factory.mktemp("shadowed")
    with running(command(bundle_path, challenger), folder / "log", **variables(folder)) as service:
        yield Shadowed(service)


@pytest.fixture(scope="module")
def dark(trained: Path) -> bytes:
    return (trained / "pictures" / "dark" / "00.png").read_bytes()


def command(champion: Path, challenger: Path) -> list[str]:
    return [*serve_command(champion), "--shadow", str(challenger), "--shadow-share", "1"]


def variables(folder: Path) -> dict[str, str]:
    (folder / "operators").write_text(KEY["X-API-Key"])
    return {
        "TAPETUM_OPERATOR_KEYS_FILE": str(folder / "operators"),
        "TAPETUM_WORKERS": "1",
        "TAPETUM_SHADOW_CPU": "1",
    }


def hurry(pid: int) -> None:
    """Let a process have its share of a machine that others keep busy, which it would wait for; only root may."""
    if os.getuid() == 0:
        with suppress(OSError):
            Path(f"/proc/{pid}/autogroup").write_text("0")
        for thread in os.listdir(f"/proc/{pid}/task"):
            with suppress(ProcessLookupError):
                os.sched_setscheduler(int(thread), os.SCHED_OTHER, os.sched_param(0))


def test_the_champion_answers_and_the_challenger_is_compared(shadow, challenger, bright, dark):
    """Of five pictures the challenger says the same of the three that are dark."""
    assert shadow.told() | {"model": None} == {
        "model": None,
        "share": 1.0,
        "trouble": None,
        "compared": 0,
        "skipped": 0,
        "agreement": None,
        "agreement_interval": None,
        "latency_ms": None,
        "disagreements": [],
    }

    answers = [answer.json() for answer in shadow.compare(dark, bright, dark, bright, dark)]

    assert [answer["prediction"] for answer in answers] == ["dark", "bright", "dark", "bright", "dark"]
    assert "gloomy" not in {answer["model"]["version"] for answer in answers}
    told = shadow.told()
    assert told["model"] == {
        "name": answers[0]["model"]["name"],
        "version": "gloomy",
        "fingerprint": answers[0]["model"]["fingerprint"],
        "digest": files.sha256(challenger / "bundle.json"),
    }
    expected = wilson(3, 5)
    assert (told["compared"], told["skipped"], told["agreement"]) == (5, 0, 0.6)
    assert told["agreement_interval"] == pytest.approx([expected.low, expected.high], abs=1e-4)
    for times in told["latency_ms"].values():
        assert 0 < times["p50"] <= times["p95"]
    assert told["latency_ms"].keys() == {"champion", "challenger"}
    newest, before = told["disagreements"]
    assert [newest["request_id"], before["request_id"]] == [answers[3]["request_id"], answers[1]["request_id"]]
    assert newest["champion"] == {"prediction": "bright", "probability": round(answers[3]["probability"], 4)}
    assert newest["challenger"] == {"prediction": "dark", "probability": 1.0}
    assert newest["time"] >= before["time"]
    series = shadow.series()
    assert (series["up"], series["restarts_total"]) == (1, 0)
    assert (series["compared_total"], series["agreed_total"]) == (5, 3)
    for role in ("champion", "challenger"):
        assert series[f'compute_seconds_count{{role="{role}"}}'] == 5


def test_operators_see_the_pictures_and_nobody_else(shadow, bright):
    (answer,) = shadow.compare(bright)

    closed = shadow.service.client.get("/shadow-report")
    report = shadow.service.client.get("/shadow-report", headers=KEY)

    assert closed.status_code == 401
    assert report.headers["content-type"] == "text/html; charset=utf-8"
    assert "sandbox" in report.headers["content-security-policy"]
    assert base64.b64encode(bright).decode() in report.text
    assert answer.json()["request_id"] in report.text
    assert "gloomy" in report.text


def test_it_takes_only_the_time_that_nobody_wants(shadow):
    threads = [int(thread) for thread in os.listdir(f"/proc/{shadow.process()}/task")]

    assert {os.sched_getscheduler(thread) for thread in threads} == {os.SCHED_IDLE}
    assert {os.sched_getscheduler(pid) for pid in shadow.champion()} == {os.SCHED_OTHER}


def test_while_every_worker_is_busy_nothing_is_drawn(shadow, bright):
    before, seen = shadow.series(), shadow.seen()

    with ThreadPoolExecutor(8) as callers:
        with frozen(shadow.champion()):
            waiting = [callers.submit(post, shadow.service, bright) for _ in range(8)]
            shadow.service.until(lambda: "prediction_queue_pictures 8.0" in shadow.service.client.get("/metrics").text)
        answers = [future.result() for future in waiting]

    assert {answer.status_code for answer in answers} == {200}
    shadow.service.until(lambda: shadow.seen() == seen + 8)
    grown = {name: value - before[name] for name, value in shadow.series().items()}
    assert grown['skipped_total{reason="busy"}'] >= 1
    assert grown["compared_total"] >= 1  # the last one was alone


def test_one_that_stands_still_costs_no_answer_and_few_pictures_wait(shadow, bright):
    """One is at the challenger and four wait, whatever was skipped before since the champion was busy."""
    before, full = shadow.series(), 'skipped_total{reason="queue-full"}'
    answers = []

    with frozen([shadow.process()]):
        while shadow.series()[full] < before[full] + 3:
            answers.append(post(shadow.service, bright))
    shadow.service.until(lambda: shadow.series()["compared_total"] >= before["compared_total"] + 5)

    assert {answer.status_code for answer in answers} == {200}
    grown = {name: value - before[name] for name, value in shadow.series().items()}
    assert (grown[full], grown["compared_total"]) == (3, 5)
    skipped = sum(value for name, value in grown.items() if name.startswith("skipped_total"))
    assert skipped + grown["compared_total"] == len(answers)


def test_one_that_is_killed_is_started_anew_and_the_champion_goes_on(shadow, bright, dark):
    process, restarts = shadow.process(), shadow.series()["restarts_total"]
    seen = shadow.seen()

    with frozen([process]):
        first = post(shadow.service, bright)
        os.kill(process, signal.SIGKILL)
    answers = [first, *(post(shadow.service, dark) for _ in range(3))]

    assert {answer.status_code for answer in answers} == {200}
    shadow.service.until(lambda: shadow.series()["restarts_total"] == restarts + 1)
    shadow.service.until(lambda: process not in shadow.service.workers() and len(shadow.service.workers()) == 2)
    shadow.service.until(lambda: os.sched_getscheduler(shadow.process()) == os.SCHED_IDLE)
    shadow.service.until(lambda: shadow.seen() == seen + 4)
    hurry(shadow.process())
    shadow.service.until(lambda: shadow.series()["up"] == 1)
    assert shadow.told()["trouble"] is None
    shadow.compare(dark)
    assert shadow.process() != process


def test_a_reload_of_the_champion_keeps_it_where_the_classes_are_the_same(
    start, own_bundle, challenger, tmp_path, dark
):
    service = start(command(own_bundle, challenger), **variables(tmp_path))
    shadow = Shadowed(service)
    shadow.compare(dark)

    amended(own_bundle, title="A copy of the same weights")
    assert service.client.post("/admin/reload", headers=KEY).status_code == 200
    fresh = shadow.told()
    shadow.compare(dark)
    amended(own_bundle, version="german", labels=["hell", "dunkel"])
    assert service.client.post("/admin/reload", headers=KEY).status_code == 200
    answer = post(service, dark)

    assert (fresh["compared"], shadow.series()["compared_total"]) == (0, 2)
    assert answer.json()["prediction"] == "dunkel"
    assert "its classes are bright, dark, and those of the served model hell, dunkel" in shadow.told()["trouble"]
    assert shadow.series()['skipped_total{reason="classes-differ"}'] == 1


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda path: amended(path, labels=["dark", "bright"]), "they must be the same, in the same order"),
        (lambda path: gloomy(path, is_honest=False), "golden pictures get other answers"),
    ],
    ids=["classes", "golden"],
)
def test_one_that_cannot_be_served_ends_the_start(run_until_exit, bundle_path, own_bundle, change, words):
    change(own_bundle)

    ended = run_until_exit("serve", str(bundle_path), "--shadow", str(own_bundle), "--port", "0")

    assert ended.returncode == 2
    assert f"the challenger at {own_bundle} cannot be run: " in ended.stderr
    assert words in ended.stderr
    assert "Traceback" not in ended.stderr


def test_where_no_bundle_lies_the_setting_is_named(run_until_exit, bundle_path, tmp_path):
    ended = run_until_exit("serve", str(bundle_path), "--port", "0", TAPETUM_SHADOW=str(tmp_path))

    assert ended.returncode == 2
    assert f"TAPETUM_SHADOW is {str(tmp_path)!r}, where there is no bundle" in ended.stderr


def test_without_one_there_is_nothing_to_tell(service):
    assert service.client.get("/model-stats").json()["shadow"] is None
    assert service.client.get("/shadow-report").status_code == 403
    assert "shadow_" not in service.client.get("/metrics").text
