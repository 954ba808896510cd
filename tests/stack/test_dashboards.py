"""Dashboards are what Grafana 11.6 reads, and each query gets from a real Prometheus what its panel can show."""

import itertools
import json
import math
import re
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import exported
import grafana
import httpx
import promql_parser
import pytest
import yaml
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models.dashboard import Dashboard
from ports import free_port
from running import Service, running, serve_command
from tools import require

from tapetum.metrics import CATALOGUE
from tapetum.stack import recording, rules
from tapetum.stack.alerts import AREAS
from tapetum.stack.promql import CLUSTER_JOB, NODE_JOB, SERVICE_JOB

ROOT = Path(__file__).parents[2]
BOARDS = grafana.boards()
PANELS = [
    pytest.param(panel, id=f"{name}: {panel['title']}")
    for name, board in BOARDS.items()
    for panel in grafana.panels(board)
    if panel["type"] != "row"
]
# Two scrapes a second: rates have what they need soon.
EVERY = "500ms"
OPERATOR = "an-operator-key-of-night-shift"
WINDOWS = {"__rate_interval": "5s", "__range": "60s"}


@pytest.mark.parametrize("name", BOARDS)
def test_the_sdk_reads_a_dashboard_and_loses_nothing(name):
    register_default_plugins()
    board = BOARDS[name]

    assert json.loads(json.dumps(Dashboard.from_json(board), cls=JSONEncoder)) == board


@pytest.mark.parametrize("name", BOARDS)
def test_panels_lie_beside_each_other_on_a_page_of_24_columns(name):
    places = [panel["gridPos"] for panel in BOARDS[name]["panels"]]
    cells = [
        (x, y)
        for place in places
        for x in range(place["x"], place["x"] + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    ]

    assert len(set(cells)) == len(cells)
    assert {x for x, _ in cells} == set(range(24))


@pytest.mark.parametrize("panel", PANELS)
def test_a_panel_says_what_it_shows_in_which_unit_and_when_to_worry(panel):
    fields = panel["fieldConfig"]["defaults"]
    alerts = {alert.name for area in AREAS.values() for alert in area}

    assert panel["description"].endswith(".")
    assert fields["unit"]
    assert fields["noValue"]
    assert all(re.fullmatch("#[0-9A-F]{6}", step["color"]) for step in fields["thresholds"]["steps"])
    assert {link["title"].removeprefix("Runbook: ") for link in panel.get("links", [])} <= alerts


def test_a_name_has_one_colour_on_all_dashboards():
    colours: dict[str, set[str]] = {}
    for param in PANELS:
        for override in param.values[0]["fieldConfig"]["overrides"]:
            chosen = {each["id"]: each["value"] for each in override["properties"]}
            colours.setdefault(override["matcher"]["options"], set()).add(chosen["color"]["fixedColor"])

    assert {"cat", "dog", "p50", "p95", "p99"} <= set(colours)
    assert {name: found for name, found in colours.items() if len(found) > 1} == {}


def test_queries_name_series_of_the_catalogue_or_of_known_exporters_and_labels_that_these_have():
    suffixes = {"counter": ("",), "gauge": ("",), "histogram": ("_bucket", "_sum", "_count")}
    own = {f"{series.name}{suffix}": series for series in CATALOGUE for suffix in suffixes[series.kind]}
    recorded = {rule.name for rule in (*recording.SERVICE, *recording.NODE)}
    foreign = re.compile("up|ALERTS|(node|kube|alertmanager)_.+")
    wrong = []
    for selector in itertools.chain.from_iterable(map(selectors, grafana.queries())):
        if selector.name in own:
            known = {*own[selector.name].labels, "le", "job", "namespace", "instance", "pod"}
            wrong += [(selector.name, m.name) for m in selector.matchers.matchers if m.name not in known]
        elif selector.name not in recorded and not foreign.fullmatch(selector.name):
            wrong.append((selector.name, ""))

    assert wrong == []


def test_what_is_not_a_dashboard_needs_no_sdk():
    code = "import sys, tapetum.stack.render; sys.exit('grafana_foundation_sdk' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def selectors(query: str) -> list[Any]:
    """The vectors that a query selects, of a parser of PromQL."""
    found: list[Any] = []

    def look(node: object) -> None:
        if isinstance(node, promql_parser.MatrixSelector):
            look(node.vector_selector)
        elif isinstance(node, promql_parser.VectorSelector):
            found.append(node)

    promql_parser.walk(promql_parser.parse(grafana.interpolate(query, WINDOWS)), look)
    return found


class Scene(NamedTuple):
    """A Prometheus that has scraped for a while, and what is chosen of it."""

    client: httpx.Client
    url: str
    choices: dict[str, str]

    def ask(self, expr: str, **span: float) -> list[dict[str, Any]]:
        """The series that a query gives, now or over a span; an error fails the test."""
        path = "query_range" if span else "query"
        asked = {"query": grafana.interpolate(expr, self.choices | WINDOWS), **span}
        answer = self.client.post(f"{self.url}/api/v1/{path}", data=asked).json()
        assert answer["status"] == "success", (asked, answer)
        return list(answer["data"]["result"])

    def values(self, query: str) -> list[str]:
        """What a variable can be, as Grafana asks for it."""
        selector, label = grafana.series_of(query)
        asked = {"match[]": grafana.interpolate(selector, self.choices)}
        return list(self.client.get(f"{self.url}/api/v1/label/{label}/values", params=asked).json()["data"])

    def choose(self, wanted: Callable[[list[str]], list[str] | str]) -> "Scene":
        """The same with each variable set, in order, to what is wanted of what it can be."""
        scene = self
        for board in BOARDS.values():
            for variable in board["templating"]["list"]:
                chosen = grafana.to_regex(wanted(scene.values(variable["query"])))
                scene = scene._replace(choices={**scene.choices, variable["name"]: chosen})
        return scene


@pytest.fixture(scope="module")
def scenes(bundle_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Scene, Scene]]:
    """Two replicas under traffic: both as pods of a cluster, and the first as the only service of a machine."""
    with watched(bundle_path, tmp_path_factory.mktemp("watched")) as urls, httpx.Client() as client:
        cluster, machine = (Scene(client, url, {}).choose(lambda values: grafana.ALL) for url in urls)
        yield cluster, machine


@pytest.fixture(scope="module")
def cluster(scenes: tuple[Scene, Scene]) -> Scene:
    return scenes[0]


@pytest.fixture(scope="module")
def replica(cluster: Scene) -> Scene:
    """The same with the first value chosen of each variable; an address is what has to be escaped."""
    return cluster.choose(lambda values: values[:1])


@pytest.fixture(scope="module")
def machine(scenes: tuple[Scene, Scene]) -> Scene:
    return scenes[1]


@pytest.mark.parametrize("panel", PANELS)
def test_a_panel_gets_what_it_can_show(cluster, panel):
    require_shown(panel, cluster)


@pytest.mark.parametrize("panel", PANELS)
def test_a_panel_gets_what_it_can_show_of_one_replica(replica, panel):
    require_shown(panel, replica)


@pytest.mark.parametrize("panel", PANELS)
def test_a_panel_gets_what_it_can_show_on_one_machine(machine, panel):
    """Where nothing has a namespace; what only a cluster has is empty, and is no error."""
    if "kube_" in json.dumps(panel["targets"]):
        assert [machine.ask(target["expr"]) for target in panel["targets"]] == [[]] * len(panel["targets"])
    else:
        require_shown(panel, machine)


def test_every_variable_has_values_in_a_cluster(cluster):
    found = {
        variable["name"]: cluster.values(variable["query"])
        for board in BOARDS.values()
        for variable in board["templating"]["list"]
    }

    assert found["namespace"] == ["mlops"]
    assert len(found["instance"]) == 2
    assert "cats-dogs-api" in found["deployment"]
    assert all(found.values())


def test_replicas_of_another_model_are_left_out(cluster):
    ready = BOARDS["tapetum-service"]["panels"][1]["targets"][0]["expr"]

    assert cluster.ask(ready)
    assert cluster._replace(choices={**cluster.choices, "model": "another"}).ask(ready) == []


@pytest.mark.parametrize("name", BOARDS)
def test_annotations_are_no_error(cluster, name):
    for annotation in BOARDS[name]["annotations"]["list"]:
        cluster.ask(annotation["expr"])


def require_shown(panel: dict[str, Any], scene: Scene) -> None:
    """Fail where a panel is wrong each time: a scrape that a busy machine was late for leaves a gap of a moment."""
    pause = threading.Event()
    for _ in range(20):
        try:
            return require_shown_now(panel, scene)
        except AssertionError:
            pause.wait(0.5)
    return require_shown_now(panel, scene)


def require_shown_now(panel: dict[str, Any], scene: Scene) -> None:
    """Fail where a query is wrong or empty, gives no number or too many, or where two lines have one name."""
    legends: list[str] = []
    for target in panel["targets"]:
        found = scene.ask(target["expr"])
        assert found, f"nothing: {grafana.interpolate(target['expr'], scene.choices | WINDOWS)}"
        assert not [series for series in found if not math.isfinite(float(series["value"][1]))], found
        assert target["instant"] is (panel["type"] != "timeseries")
        legends += [grafana.legend(target["legendFormat"], series["metric"]) for series in found]
        if panel["type"] == "timeseries":
            now = float(found[0]["value"][0])
            lines = scene.ask(target["expr"], start=now - 5, end=now, step=1)
            assert not [pair for line in lines for pair in line["values"] if not math.isfinite(float(pair[1]))], lines
    assert len(set(legends)) == len(legends), f"equal legends: {legends}"
    assert all(legends), f"a line without a name: {legends}"
    if panel["type"] == "stat":
        assert len(legends) == 1, legends


def scraped(service: Service) -> str:
    return service.client.get("/metrics").text


@contextmanager
def watched(bundle: Path, folder: Path) -> Iterator[tuple[str, str]]:
    """The addresses of two Prometheus that have scraped for some seconds: one a cluster, one a machine."""
    require("prometheus", "prometheus-node-exporter")
    (folder / "operators").write_text(OPERATOR)
    with ExitStack() as stack:
        services = [
            stack.enter_context(
                running(
                    [*serve_command(bundle), "--workers", "1"],
                    folder / f"service-{name}",
                    TAPETUM_LOG_FILE=str(folder / f"service-{name}.log"),
                    TAPETUM_OPERATOR_KEYS_FILE=str(folder / "operators"),
                )
            )
            for name in ("a", "b")
        ]
        addresses = [service.client.base_url.netloc.decode() for service in services]
        pods = [{"namespace": "mlops", "pod": f"cats-dogs-api-{name}"} for name in ("a", "b")]
        ours = services[0]
        # What only a GPU tells, a challenger, or a verdict on 500 predictions beside a profile, is made up.
        made_up = ("gpu_", "shadow_", "drift_", "model_estimated_", "model_reference_")
        ours.until(lambda: all(series.name.startswith(made_up) for series in exported.lacking(scraped(ours))))
        lacking = exported.lacking(scraped(ours))
        pages = {"/alertmanager": exported.notifications, "/cluster": lambda ticks: exported.CLUSTER}
        for name, address, labels in (
            ("a", addresses[0], pods[0]),
            ("b", addresses[1], pods[1]),
            ("", addresses[0], {}),
        ):
            target = {"job": SERVICE_JOB, "instance": address, **labels}
            pages[f"/of-{name}"] = partial(exported.expose, lacking, target)
        static = stack.enter_context(exported.serving(pages))
        node = f"127.0.0.1:{free_port()}"
        stack.enter_context(process(folder / "node", "prometheus-node-exporter", f"--web.listen-address={node}"))
        anywhere = [scrape(NODE_JOB, (node, {})), scrape("alertmanager", (static, {}), path="/alertmanager")]
        in_cluster = [
            scrape(SERVICE_JOB, *zip(addresses, pods, strict=True)),
            scrape(CLUSTER_JOB, (static, {}), path="/cluster"),
            *(scrape(f"of-{name}", (static, {}), path=f"/of-{name}") for name in ("a", "b")),
        ]
        on_machine = [scrape(SERVICE_JOB, (addresses[0], {})), scrape("of", (static, {}), path="/of-")]
        urls = [
            stack.enter_context(prometheus(folder / name, [*anywhere, *jobs]))
            for name, jobs in (("cluster", in_cluster), ("machine", on_machine))
        ]
        stack.enter_context(traffic(services, bundle.parent / "pictures"))
        with httpx.Client() as client:
            until(lambda: all(has_seen_enough(Scene(client, url, {})) for url in urls))
        yield urls[0], urls[1]


@contextmanager
def prometheus(folder: Path, jobs: list[dict[str, Any]]) -> Iterator[str]:
    """A server that scrapes and evaluates our rules every half second, from when it was told to start."""
    folder.mkdir()
    configuration = {
        "global": {"scrape_interval": EVERY, "scrape_timeout": EVERY, "evaluation_interval": EVERY},
        "rule_files": [str(ROOT / rules.FOLDER / "*.rules.yml")],
        "scrape_configs": jobs,
    }
    (folder / "prometheus.yml").write_text(yaml.safe_dump(configuration))
    address = f"127.0.0.1:{free_port()}"
    options = (f"--config.file={folder / 'prometheus.yml'}", f"--storage.tsdb.path={folder / 'tsdb'}")
    with process(folder / "log", "prometheus", *options, f"--web.listen-address={address}"):
        yield f"http://{address}"


def scrape(job: str, *targets: tuple[str, dict[str, str]], path: str = "/metrics") -> dict[str, Any]:
    """One job of a configuration. Labels that a page brings along are kept."""
    return {
        "job_name": job,
        "honor_labels": True,
        "metrics_path": path,
        "static_configs": [{"targets": [address], "labels": labels} for address, labels in targets],
    }


def has_seen_enough(scene: Scene) -> bool:
    """Whether every target was scraped for some seconds, and what is recorded of that was recorded."""
    scrapes = [float(series["value"][1]) for series in scene.ask("sum_over_time(up[1m])")]
    records = scene.ask(f'{{__name__=~"{recording.SERVICE[0].name}|{recording.NODE_CPU.name}"}}')
    return min(scrapes, default=0) >= 12 and len(records) >= 2


@contextmanager
def traffic(services: list[Service], pictures: Path) -> Iterator[None]:
    """Pictures, and now and then none, to every service until the block ends; the first answers are called right."""
    contents = [path.read_bytes() for path in sorted(pictures.glob("*/0[0-4].png"))] + [b"no picture"]
    leave = threading.Event()

    def keep_posting(service: Service) -> None:
        with httpx.Client(base_url=service.client.base_url, timeout=60) as client:
            for number, content in enumerate(itertools.cycle(contents)):
                answer = client.post("/predict", content=content)
                if answer.is_success and number < len(contents):
                    word = {"request_id": answer.json()["request_id"], "label": answer.json()["prediction"]}
                    client.post("/feedback", json=word, headers={"X-API-Key": OPERATOR}).raise_for_status()
                if leave.wait(0.1):
                    return

    with ThreadPoolExecutor(len(services)) as callers:
        posting = [callers.submit(keep_posting, service) for service in services]
        try:
            yield
        finally:
            leave.set()
        for future in posting:
            future.result()


@contextmanager
def process(log: Path, *command: str) -> Iterator[None]:
    """A program, until the block ends."""
    with log.open("wb") as stream:
        started = subprocess.Popen(command, stdout=stream, stderr=stream)
    try:
        yield
    finally:
        started.kill()
        started.wait()


def until(is_done: Callable[[], bool]) -> None:
    pause = threading.Event()
    for _ in range(1200):
        try:
            if is_done():
                return
        except (httpx.TransportError, ValueError):
            pass  # it does not listen yet, or says in words that it is starting
        pause.wait(0.1)
    raise AssertionError("Prometheus did not see every target for some seconds, for minutes")
