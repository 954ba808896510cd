"""The rules are fresh, name what exists, fire where they should, and their proofs notice where they do not."""

import re
import subprocess
from dataclasses import replace
from pathlib import Path

import promql_parser
import pytest
import yaml
from click.testing import CliRunner
from fastapi.routing import iter_route_contexts
from tools import require

from tapetum.cli.stack import command
from tapetum.metrics import CATALOGUE
from tapetum.serving.app import create_app
from tapetum.serving.paths import PREDICTING
from tapetum.settings import Settings
from tapetum.stack import promql, recording, rules
from tapetum.stack.alert import Alert
from tapetum.stack.alerts import AREAS
from tapetum.stack.render import render

ROOT = Path(__file__).parents[2]
ALERTS = [(area, alert) for area, alerts in AREAS.items() for alert in alerts]
RECORDED = (*recording.SERVICE, *recording.NODE)
QUERIES = [rule.expr for rule in RECORDED] + [alert.expr for _, alert in ALERTS]

# What Prometheus, Alertmanager 0.25 and later, node exporter and kube-state-metrics call their own.
FOREIGN = {
    "up",
    "alertmanager_notification_requests_total",
    "alertmanager_notification_requests_failed_total",
    "node_cpu_seconds_total",
    "node_memory_MemAvailable_bytes",
    "node_memory_MemTotal_bytes",
    "node_filesystem_avail_bytes",
    "node_filesystem_size_bytes",
    "kube_pod_status_ready",
    "kube_pod_status_phase",
    "kube_pod_container_status_restarts_total",
    "kube_deployment_spec_replicas",
    "kube_deployment_status_replicas_available",
    "kube_horizontalpodautoscaler_status_current_replicas",
    "kube_horizontalpodautoscaler_spec_max_replicas",
    "kube_horizontalpodautoscaler_spec_min_replicas",
}
USUAL = {
    *("HighPredictionRate", "HighPredictionErrorRate", "HighPredictionLatency", "CriticalPredictionLatency"),
    *("NoPredictions", "PodNotReady", "PodCrashLooping", "DeploymentReplicasMismatch", "HPAAtMaxCapacity"),
    *("HighCPUUsage", "CriticalCPUUsage", "HighMemoryUsage", "CriticalMemoryUsage", "HighDiskUsage"),
}


@pytest.mark.parametrize("path", render())
def test_a_generated_file_is_fresh(path):
    assert (ROOT / path).read_text() == render()[path], "run make stack"


def test_rendering_writes_what_has_changed_and_no_more(tmp_path):
    arguments = ["render", "--root", str(tmp_path)]

    first, second = (CliRunner().invoke(command, arguments, catch_exceptions=False) for _ in range(2))

    assert {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()} == set(render())
    assert (first.output.count("wrote "), second.output) == (len(render()), "")


def test_no_rule_file_is_left_over():
    folder = ROOT / rules.FOLDER

    assert {path.relative_to(ROOT).as_posix() for path in folder.rglob("*.yml")} <= set(render())


def test_every_alert_of_the_usual_tables_is_there_once():
    names = [alert.name for _, alert in ALERTS]

    assert len(set(names)) == len(names)
    assert set(names) >= USUAL


def test_every_alert_has_a_runbook_and_every_runbook_an_alert():
    text = (ROOT / "docs" / "runbooks.md").read_text()
    sections = dict(re.findall(r"^## (\w+)\n\n(.*?)(?=^## |\Z)", text, flags=re.M | re.S))

    assert set(sections) == {alert.runbook for _, alert in ALERTS}
    for name, section in sections.items():
        assert re.findall(r"\*\*(\w+)\.\*\*", section) == ["Means", "Look", "Do"], name


def test_rules_name_series_of_the_catalogue_or_of_known_exporters_and_labels_that_these_have():
    suffixes = {"counter": ("",), "gauge": ("",), "histogram": ("_bucket", "_sum", "_count")}
    own = {f"{series.name}{suffix}": series for series in CATALOGUE for suffix in suffixes[series.kind]}
    recorded = {rule.name for rule in RECORDED}
    wrong = []
    for query in QUERIES:
        for selector in selectors(query):
            if selector.name in own:
                known = {*own[selector.name].labels, "le", "job"}
                wrong += [(selector.name, m.name) for m in selector.matchers.matchers if m.name not in known]
            elif selector.name not in recorded | FOREIGN:
                wrong.append((selector.name, ""))

    assert wrong == []


def test_a_bound_in_seconds_is_a_bucket():
    """Between buckets a quantile is a guess, and a share of fast answers cannot be counted at all."""
    buckets = {series.name: series.buckets for series in CATALOGUE}["prediction_latency_seconds"]

    assert {alert.threshold for _, alert in ALERTS if alert.unit == "seconds"} <= set(buckets)
    assert {float(found) for query in QUERIES for found in re.findall(r'le="([\d.]+)"', query)} <= set(buckets)


def selectors(query: str) -> list[promql_parser.VectorSelector]:
    found = []

    def look(node: object) -> None:
        if isinstance(node, promql_parser.MatrixSelector):
            look(node.vector_selector)
        elif isinstance(node, promql_parser.VectorSelector):
            found.append(node)

    promql_parser.walk(promql_parser.parse(query), look)
    return found


def test_alerts_fire_above_their_thresholds_and_are_quiet_below():
    require("promtool")
    folder = ROOT / rules.FOLDER

    checked = subprocess.run(
        ["promtool", "check", "rules", *map(str, folder.glob("*.rules.yml"))], capture_output=True, text=True
    )
    ran = subprocess.run(
        ["promtool", "test", "rules", *map(str, (folder / "tests").glob("*.test.yml"))], capture_output=True, text=True
    )

    assert checked.returncode == 0, checked.stderr
    assert ran.returncode == 0, ran.stdout + ran.stderr


def stricter(alert: Alert) -> Alert:
    return replace(alert, threshold=moved(alert, 1 if ">" in alert.bound else -1))


def looser(alert: Alert) -> Alert:
    return replace(alert, threshold=moved(alert, -1 if ">" in alert.bound else 1))


def moved(alert: Alert, towards: int) -> float:
    """A count by one, all else by a fifth."""
    step = 1 if isinstance(alert.threshold, int) else alert.threshold / 5
    return alert.threshold + towards * step


def later(alert: Alert) -> Alert:
    return replace(alert, hold=alert.hold + alert.step)


def sooner(alert: Alert) -> Alert:
    return replace(alert, hold=alert.hold - alert.step)


def unguarded(alert: Alert) -> Alert:
    return replace(alert, guard="")


@pytest.mark.parametrize("change", [stricter, looser, later, sooner, unguarded], ids=lambda change: change.__name__)
def test_the_proofs_notice_a_changed_rule(tmp_path, change):
    """Its texts stay as they were, so only when it fires can give it away."""
    require("promtool")
    applies = {
        sooner: lambda alert: alert.hold,
        unguarded: lambda alert: alert.guard,
        looser: lambda alert: alert.quiet,
    }
    chosen = [(area, alert) for area, alert in ALERTS if applies.get(change, lambda alert: True)(alert)]
    assert len(chosen) > 10

    assert survivors(tmp_path, [(area, alert, change(alert)) for area, alert in chosen]) == []


def test_the_proofs_of_one_alert_hold_by_themselves(tmp_path):
    """Otherwise a changed rule would be noticed for another reason than its change."""
    require("promtool")

    assert survivors(tmp_path, [(area, alert, alert) for area, alert in ALERTS]) == sorted(a.name for _, a in ALERTS)


def survivors(folder: Path, cases: list[tuple[str, Alert, Alert]]) -> list[str]:
    """The alerts whose proofs still hold where another rule stands in place of theirs."""
    for area, alert, changed in cases:
        used = [rule for rule in RECORDED if rule.name in alert.expr]
        timing = {key: changed.to_rule(area)[key] for key in ("expr", "for") if key in changed.to_rule(area)}
        kept = {key: value for key, value in alert.to_rule(area).items() if key not in ("expr", "for")}
        content = [{"record": rule.name, "expr": rule.expr} for rule in used] + [kept | timing]
        rule_file = folder / f"{alert.name}.rules.yml"
        rule_file.write_text(yaml.safe_dump({"groups": [{"name": "all", "rules": content}]}))
        tests = {"rule_files": [rule_file.name], "evaluation_interval": f"{alert.step}m"}
        tests_file = folder / f"{alert.name}.test.yml"
        tests_file.write_text(yaml.safe_dump(tests | {"tests": rules.proofs(alert, area)}))
    files = sorted(path.name for path in folder.glob("*.test.yml"))
    ran = subprocess.run(["promtool", "test", "rules", *files], cwd=folder, capture_output=True, text=True)
    assert ran.stdout.count("Unit Testing:") == len(cases), ran.stderr
    return sorted(re.findall(r"Unit Testing:  (\w+)\.test\.yml\n  SUCCESS", ran.stdout))


def test_the_table_of_versions_is_what_is_deployed():
    page = (ROOT / "docs" / "monitoring.md").read_text()
    table = dict(re.findall(r"^\| ([\w -]+) \| (v?[\d.]+) \| ", page, flags=re.M))
    composed = (ROOT / "compose.yaml").read_text()
    cluster = (ROOT / "deploy" / "monitoring" / "kustomization.yaml").read_text()
    images = re.findall(r"image: \S+/([\w-]+):(\S+)", composed) + re.findall(
        r"name: \S+/([\w-]+)\n +newTag: (\S+)", cluster
    )

    assert {name.lower().replace(" ", "-") for name in table} <= {name for name, _ in images}
    for name, version in table.items():
        assert {tag for image, tag in images if image == name.lower().replace(" ", "-")} == {version}


def test_requests_for_predictions_are_those_of_every_route_that_predicts():
    """Prometheus anchors its patterns; a route that is missing would count as errors without requests."""
    (pattern,) = re.findall(r'path=~"([^"]*)"', promql.asked("5m"))
    paths = [str(route.path) for route in iter_route_contexts(create_app(Settings()).routes)]

    assert {path for path in paths if re.fullmatch(pattern, path)} == set(PREDICTING)
