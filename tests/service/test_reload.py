"""A new bundle in place of the one that is served, while requests come."""

import json
import os
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import httpx
import numpy as np
import pytest
from running import Service, ask_beyond_the_limit, ends, frozen, post, running, serve_command, slug

from tapetum import bundle as bundles
from tapetum import files

OPERATOR, CALLER = "an-operator-key-of-night-shift", "an-api-key-of-the-shop"
KEY = {"X-API-Key": OPERATOR}


@pytest.fixture
def keys(tmp_path: Path) -> dict[str, str]:
    """A setting under which an operator may reload."""
    (tmp_path / "operators").write_text(OPERATOR)
    return {"TAPETUM_OPERATOR_KEYS_FILE": str(tmp_path / "operators")}


def amended(path: Path, **changes: object) -> Path:
    """Change facts of a sealed bundle, whose hashes are of its other files."""
    facts = json.loads((path / bundles.FACTS).read_text())
    (path / bundles.FACTS).write_text(json.dumps(facts | changes))
    return path


def rehashed(path: Path, name: str, content: bytes) -> Path:
    """Change a file of a sealed bundle, and its hash too."""
    (path / name).write_bytes(content)
    hashes = json.loads((path / bundles.FACTS).read_text())["files"]
    return amended(path, files=hashes | {name: files.sha256(path / name)})


@contextmanager
def successor(path: Path, of: Path) -> Iterator[Path]:
    """A copy of a bundle, of version `new` and with names of its own for the classes; it takes the place of `path`."""
    with files.replacing(path) as fresh:
        yield amended(copy(of, fresh), version="new", labels=["hell", "dunkel"])


def copy(path: Path, to: Path) -> Path:
    for file in path.rglob("*"):
        if file.is_file():
            (to / file.relative_to(path)).parent.mkdir(parents=True, exist_ok=True)
            (to / file.relative_to(path)).write_bytes(file.read_bytes())
    return to


def replace(path: Path) -> None:
    with successor(path, of=path):
        pass


def reload(service: Service) -> httpx.Response:
    return service.client.post("/admin/reload", headers=KEY)


def version(service: Service) -> str:
    return str(service.client.get("/model-stats", headers=KEY).json()["model"]["version"])


def logged(service: Service, event: str) -> list[dict[str, object]]:
    service.until(lambda: any(line["event"] == event for line in service.lines()))
    return [line for line in service.lines() if line["event"] == event]


class Callers:
    """Clients that post a picture again and again; `answers` are statuses with what which model said.

    Those to requests that began after the test had set `is_late` are in `late` too.
    """

    def __init__(self, service: Service, picture: bytes, number: int) -> None:
        self.answers: list[tuple[int, str, str]] = []
        self.late: list[tuple[int, str, str]] = []
        self.is_late = False
        self._service, self._picture = service, picture
        self._leave = threading.Event()
        self._threads = ThreadPoolExecutor(number)
        self._posting = [self._threads.submit(self._post) for _ in range(number)]

    def _post(self) -> None:
        with httpx.Client(base_url=self._service.client.base_url, timeout=30) as client:
            while not self._leave.is_set():
                is_late = self.is_late
                answer = client.post("/predict", content=self._picture)
                said = answer.json()
                found = (said["prediction"], said["model"]["version"]) if answer.status_code == 200 else ("", "")
                self.answers.append((answer.status_code, *found))
                if is_late:
                    self.late.append((answer.status_code, *found))

    def more(self, number: int) -> None:
        """Wait for so many more answers."""
        enough = len(self.answers) + number
        self._service.until(lambda: len(self.answers) >= enough or any(done.done() for done in self._posting))

    def __enter__(self) -> "Callers":
        return self

    def __exit__(self, *_: object) -> None:
        self._leave.set()
        self._threads.shutdown()
        for done in self._posting:
            done.result()


@pytest.mark.parametrize("workers", ["0", "2"])
def test_under_load_nothing_is_lost_and_what_is_asked_after_it_is_answered_by_the_new_model(
    start, own_bundle, keys, bright, workers
):
    service = start(serve_command(own_bundle), TAPETUM_WORKERS=workers, **keys)
    old = version(service)

    with Callers(service, bright, 4) as callers:
        callers.more(20)
        replace(own_bundle)
        answer = reload(service)
        callers.is_late = True
        callers.more(40)

    assert answer.status_code == 200, answer.text
    assert (answer.json()["model"]["version"], answer.json()["former"]["version"]) == ("new", old)
    # Each answer has the classes of the model that it names.
    assert set(callers.answers) == {(200, "bright", old), (200, "hell", "new")}
    assert set(callers.late) == {(200, "hell", "new")}


def test_what_tells_of_the_model_follows_it(start, own_bundle, keys, bright):
    service = start(serve_command(own_bundle), TAPETUM_WORKERS="1", **keys)
    for _ in range(3):
        post(service, bright)
    before = service.client.get("/model-stats", headers=KEY).json()
    replace(own_bundle)
    assert reload(service).status_code == 200
    fresh = service.client.get("/model-stats", headers=KEY).json()
    post(service, bright)
    after = service.client.get("/model-stats", headers=KEY).json()
    metrics = service.client.get("/metrics").text

    assert (before["predictions"], before["last_reload"]) == (3, None)
    assert (fresh["predictions"], fresh["confidence"], set(fresh["classes"])) == (0, None, {"hell", "dunkel"})
    assert after["predictions"] == after["classes"]["hell"]["count"] == 1
    assert (after["last_reload"]["swapped"], after["last_reload"]["reason"]) == (True, None)
    assert 'model_reloads_total{outcome="swapped"} 1.0' in metrics
    assert 'model_reloads_total{outcome="refused"} 0.0' in metrics
    assert 'predictions_total{predicted_class="bright"} 3.0' in metrics
    assert 'predictions_total{predicted_class="hell"} 1.0' in metrics
    assert 'predictions_total{predicted_class="dunkel"} 0.0' in metrics
    assert metrics.count("\nmodel_info{") == 1
    assert 'version="new"' in metrics
    assert "workers 1.0" in metrics
    (line,) = logged(service, "reloaded")
    assert (line["version"], line["former"]) == ("new", before["model"]["version"])


def test_what_the_old_model_has_accepted_it_finishes_while_the_new_one_answers(start, own_bundle, keys, bright):
    limits = {"TAPETUM_MAX_PENDING": "3", "TAPETUM_REQUEST_TIMEOUT_S": "60"}
    service = start(serve_command(own_bundle), TAPETUM_WORKERS="1", **limits, **keys)
    old, workers = version(service), service.workers()

    with ThreadPoolExecutor(5) as callers:
        with frozen(workers):
            waiting = ask_beyond_the_limit(callers, lambda: post(service, bright, "60"), limit=3)
            replace(own_bundle)
            reloaded = reload(service)
            at_once = post(service, bright)
        answers = [future.result() for future in waiting]

    assert reloaded.status_code == 200, reloaded.text
    assert (at_once.json()["prediction"], at_once.json()["model"]["version"]) == ("hell", "new")
    assert [(said.json()["prediction"], said.json()["model"]["version"]) for said in answers] == [("bright", old)] * 3
    assert all(ends(pid) for pid in workers)
    service.until(lambda: len(service.workers()) == 1)
    # The window is of the new model alone.
    assert service.client.get("/model-stats", headers=KEY).json()["predictions"] == 1


def test_heat_maps_that_the_old_model_has_accepted_are_its_own(start, own_bundle, keys, bright):
    limits = {"TAPETUM_MAX_EXPLAINS": "2", "TAPETUM_REQUEST_TIMEOUT_S": "60"}
    service = start(serve_command(own_bundle), TAPETUM_WORKERS="1", **limits, **keys)
    old, workers = version(service), service.workers()

    def explain(label: str) -> httpx.Response:
        asked = {"class": label, "format": "json"}
        return service.client.post("/explain", content=bright, params=asked, headers={"X-Request-Timeout": "60"})

    with ThreadPoolExecutor(4) as callers:
        with frozen(workers):
            waiting = ask_beyond_the_limit(callers, lambda: explain("dark"), limit=2)
            replace(own_bundle)
            reloaded = reload(service)
            unknown, at_once = explain("dark"), explain("dunkel")
        answers = [future.result() for future in waiting]

    assert reloaded.status_code == 200, reloaded.text
    assert (unknown.status_code, slug(unknown)) == (400, "malformed-request")
    assert "expected one of hell, dunkel" in unknown.json()["detail"]
    assert [(said.json()["class"], said.json()["model"]["version"]) for said in (*answers, at_once)] == [
        ("dark", old),
        ("dark", old),
        ("dunkel", "new"),
    ]
    assert all(ends(pid) for pid in workers)


def wrong_answers(fresh: Path) -> Path:
    golden = bundles.load(fresh).golden()
    wrong = bundles.Golden(golden.pictures, golden.arrays, np.ascontiguousarray(golden.probabilities[:, ::-1]))
    return rehashed(fresh, bundles.ANSWERS, wrong.to_files()[bundles.ANSWERS])


BAD: dict[str, tuple[Callable[[Path], object], str]] = {
    "damaged": (lambda fresh: (fresh / bundles.GRAPH).write_bytes(b"?"), "was changed after the bundle was sealed"),
    "incomplete": (lambda fresh: (fresh / bundles.WEIGHTS).unlink(), "is missing: copy the bundle again, whole"),
    "of a newer Tapetum": (lambda fresh: amended(fresh, schema_version=99), "has schema version 99"),
    "a draft": (lambda fresh: amended(fresh, files=None), "is a draft and cannot be served"),
    "no bundle": (lambda fresh: (fresh / bundles.FACTS).unlink(), "is not a bundle: it has no bundle.json"),
    "with other answers": (wrong_answers, "golden pictures get other answers from openvino"),
    "without a graph": (lambda fresh: rehashed(fresh, bundles.GRAPH, b"no graph"), "OpenVINO cannot run"),
}


@pytest.fixture(scope="module")
def steadfast(bundle_path, tmp_path_factory) -> Iterator[tuple[Service, Path]]:
    """A service that goes on serving the bundle of its start."""
    folder = tmp_path_factory.mktemp("steadfast")
    (folder / "operators").write_text(OPERATOR)
    path = copy(bundle_path, folder / "bundle")
    settings = {"TAPETUM_OPERATOR_KEYS_FILE": str(folder / "operators"), "TAPETUM_WORKERS": "1"}
    with running(serve_command(path), folder / "log", **settings) as service:
        yield service, path


@pytest.mark.parametrize("kind", BAD)
def test_a_bundle_that_is_not_fit_is_refused_and_the_model_of_before_goes_on(steadfast, bundle_path, bright, kind):
    service, path = steadfast
    spoil, words = BAD[kind]
    old, workers = version(service), service.workers()
    with successor(path, of=bundle_path) as fresh:
        spoil(fresh)

    answer = reload(service)

    assert (answer.status_code, slug(answer)) == (409, "bundle-refused")
    reason = answer.json()["detail"].removeprefix("the model of before goes on: ")
    assert words in reason
    assert "\n" not in reason
    said = post(service, bright).json()
    assert (said["prediction"], said["model"]["version"]) == ("bright", old)
    assert service.client.get("/ready").status_code == 200
    last = service.client.get("/model-stats", headers=KEY).json()["last_reload"]
    assert (last["swapped"], last["reason"]) == (False, reason)
    service.until(lambda: logged(service, "a reload is refused")[-1]["reason"] == reason)
    assert service.workers() == workers


def test_a_path_that_is_not_there_is_refused(steadfast, bright):
    service, path = steadfast
    refused = 'model_reloads_total{outcome="refused"}'
    before = float(service.client.get("/metrics").text.partition(refused)[2].split()[0])
    path.rename(path.with_name("away"))

    answer = reload(service)

    path.with_name("away").rename(path)
    assert (answer.status_code, slug(answer)) == (409, "bundle-refused")
    assert "it has no bundle.json" in answer.json()["detail"]
    assert post(service, bright).status_code == 200
    assert f"{refused} {before + 1}" in service.client.get("/metrics").text


def test_a_link_that_leads_elsewhere_is_followed_at_a_reload_and_not_before(start, own_bundle, keys, bright, tmp_path):
    link = tmp_path / "current"
    link.symlink_to(own_bundle)
    service = start(serve_command(link), TAPETUM_WORKERS="1", **keys)
    old, (worker,) = version(service), service.workers()
    newer = amended(copy(own_bundle, tmp_path / "newer"), version="new")
    (tmp_path / "next").symlink_to(newer)
    (tmp_path / "next").replace(link)

    os.kill(worker, signal.SIGKILL)  # whose successor opens what it had opened
    service.until(lambda: service.workers() not in ([], [worker]))
    service.until(lambda: post(service, bright).status_code == 200)
    before = post(service, bright).json()["model"]["version"]
    answer = reload(service)

    assert before == old
    assert answer.json()["model"]["version"] == "new"
    assert post(service, bright).json()["model"]["version"] == "new"
    assert "workers_replaced_total 1.0" in service.client.get("/metrics").text


def test_sighup_reloads_too_and_the_log_says_what_came_of_it(start, own_bundle, bright):
    service = start(serve_command(own_bundle), TAPETUM_WORKERS="1")
    replace(own_bundle)

    service.process.send_signal(signal.SIGHUP)

    service.until(lambda: version(service) == "new")
    assert post(service, bright).json()["model"]["version"] == "new"
    (own_bundle / bundles.WEIGHTS).unlink()
    service.process.send_signal(signal.SIGHUP)
    (refused,) = logged(service, "a reload is refused")
    assert "is missing: copy the bundle again" in str(refused["reason"])
    assert post(service, bright).json()["model"]["version"] == "new"
    assert service.client.post("/admin/reload").status_code == 403  # of which SIGHUP needs to know nothing
    assert post(service, bright).status_code == 200


def test_an_operators_key_is_needed_and_without_any_it_is_off(start, own_bundle, keys, tmp_path):
    (tmp_path / "callers").write_text(CALLER)
    api_keys = {"TAPETUM_API_KEYS_FILE": str(tmp_path / "callers")}
    closed = start(serve_command(own_bundle), TAPETUM_WORKERS="0", **api_keys)
    off = closed.client.post("/admin/reload", headers={"X-API-Key": CALLER})
    service = start(serve_command(own_bundle), TAPETUM_WORKERS="0", **api_keys, **keys)
    replace(own_bundle)

    without = service.client.post("/admin/reload")
    of_a_caller = service.client.post("/admin/reload", headers={"X-API-Key": CALLER})
    before = version(service)
    elsewhere = {"path": str(tmp_path / "evil"), "bundle": str(tmp_path / "evil")}
    right = service.client.post("/admin/reload", headers=KEY, json=elsewhere, params=elsewhere)

    assert (off.status_code, slug(off)) == (403, "switched-off")
    assert "TAPETUM_OPERATOR_KEYS_FILE" in off.json()["detail"]
    assert [answer.status_code for answer in (without, of_a_caller)] == [401, 401]
    assert before != "new"
    assert (right.status_code, right.json()["model"]["version"]) == (200, "new")


# Runs in each worker before anything else: one that finds a pipe there waits for what the test does.
GATE = """
import os, sys
if "tapetum.inference.worker" in sys.orig_argv and os.path.exists({gate!r}):
    open({gate!r}).close()
"""


@pytest.fixture
def gate(tmp_path: Path) -> Path:
    """A pipe at which workers of a service with `gated` wait, once it is there."""
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "sitecustomize.py").write_text(GATE.format(gate=str(tmp_path / "gate")))
    return tmp_path / "gate"


@pytest.fixture
def gated(gate: Path) -> dict[str, str]:
    paths = [str(gate.with_name("site")), *os.environ.get("PYTHONPATH", "").split(os.pathsep)]
    return {"PYTHONPATH": os.pathsep.join(filter(None, paths)), "TAPETUM_WORKERS": "1"}


def test_of_two_reloads_at_once_one_works_and_the_other_is_told(start, own_bundle, keys, gate, gated):
    service = start(serve_command(own_bundle), **keys, **gated)
    replace(own_bundle)
    os.mkfifo(gate)

    with ThreadPoolExecutor(1) as callers:
        first = callers.submit(reload, service)
        with gate.open("w"):  # where its worker is by now
            second = httpx.post(service.client.base_url.join("/admin/reload"), headers=KEY, timeout=30)
            service.process.send_signal(signal.SIGHUP)
            logged(service, "no reload")
        answer = first.result()

    assert (second.status_code, slug(second)) == (409, "reload-under-way")
    assert (answer.status_code, answer.json()["model"]["version"]) == (200, "new")
    assert 'model_reloads_total{outcome="refused"} 0.0' in service.client.get("/metrics").text


def test_a_bundle_that_changes_while_it_is_opened_is_refused(start, own_bundle, keys, gate, gated, bright):
    service = start(serve_command(own_bundle), **keys, **gated)
    old = version(service)
    os.mkfifo(gate)

    with ThreadPoolExecutor(1) as callers:
        answering = callers.submit(reload, service)
        with gate.open("w"):
            replace(own_bundle)
        answer = answering.result()

    assert (answer.status_code, slug(answer)) == (409, "bundle-refused")
    assert "was changed while it was opened" in answer.json()["detail"]
    assert post(service, bright).json()["model"]["version"] == old


def test_the_service_ends_in_the_midst_of_a_reload(start, own_bundle, gate, gated):
    service = start(serve_command(own_bundle), **gated)
    os.mkfifo(gate)
    service.process.send_signal(signal.SIGHUP)

    with gate.open("w"):
        workers = service.workers()
        service.process.send_signal(signal.SIGTERM)

        assert service.process.wait(30) == 0
    assert len(workers) == 2
    assert all(ends(pid) for pid in workers)


@pytest.mark.parametrize("workers", ["0", "1"])
def test_ten_reloads_under_load_leave_nothing_behind(start, own_bundle, keys, bright, workers):
    service = start(serve_command(own_bundle), TAPETUM_WORKERS=workers, **keys)
    folder = Path(f"/proc/{service.process.pid}")

    def held() -> tuple[int, int]:
        return len(list((folder / "fd").iterdir())), len(service.workers())

    assert reload(service).status_code == 200  # what a first time sets up stays
    service.until(lambda: len(service.workers()) == int(workers))
    before = held()
    with Callers(service, bright, 2) as callers:
        statuses = [reload(service).status_code for _ in range(10)]

    # No more: what the first reload replaced may not quite have gone when it was counted.
    service.until(lambda: all(now <= then for now, then in zip(held(), before, strict=True)))
    assert statuses == [200] * 10
    assert {status for status, *_ in callers.answers} == {200}
    assert 'model_reloads_total{outcome="swapped"} 11.0' in service.client.get("/metrics").text
