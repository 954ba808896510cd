"""An hour and a half in the life of two replicas, as OpenMetrics: made up, with an incident, to draw dashboards of."""

import math
from collections.abc import Iterator, Sequence

import numpy as np

from tapetum import metrics
from tapetum.metrics import Series
from tapetum.stack.promql import CLUSTER_JOB, NODE_JOB, SERVICE_JOB

STEP_S = 15
STEPS = 6 * 60 + 1
_MODEL = {
    "name": "cats-dogs",
    "digest": "e342c8612ed0",
    "fingerprint": "9c41d07be2aa",
    "engine": "openvino",
    "device": "cpu",
    "precision": "bf16",
}


class Target:
    """Counters and gauges of what is scraped under some labels, and their history."""

    def __init__(self, **labels: str) -> None:
        self._labels = labels
        self._values: dict[str, float] = {}
        self._lines: list[str] = []

    def add(self, name: str | Series, amount: float, /, **labels: str) -> None:
        """Count."""
        key = self._key(name, labels)
        self._values[key] = self._values.get(key, 0.0) + amount

    def show(self, name: str | Series, value: float, /, **labels: str) -> None:
        """Set a gauge."""
        self._values[self._key(name, labels)] = value

    def hide(self, name: str | Series, /, **labels: str) -> None:
        """Export a series no more."""
        self._values.pop(self._key(name, labels), None)

    def see(self, series: Series, seen: "np.ndarray[tuple[int], np.dtype[np.float64]]", **labels: str) -> None:
        """Observe values with a histogram."""
        for bound in (*series.buckets, math.inf):
            text = "+Inf" if math.isinf(bound) else str(float(bound))
            self.add(f"{series.name}_bucket", float((seen <= bound).sum()), **labels, le=text)
        self.add(f"{series.name}_sum", float(seen.sum()), **labels)
        self.add(f"{series.name}_count", float(seen.size), **labels)

    def scrape(self, at: float) -> None:
        """Note down all values."""
        self._lines += [f"{key} {value:.6g} {at:.0f}" for key, value in self._values.items()]

    def lines(self) -> Iterator[str]:
        """All that was noted."""
        yield from self._lines

    def _key(self, name: str | Series, labels: dict[str, str]) -> str:
        inside = ",".join(f'{label}="{value}"' for label, value in (self._labels | labels).items())
        return f"{name if isinstance(name, str) else name.name}{{{inside}}}"


def write(end: float) -> Iterator[str]:
    """The lines of a file for `promtool tsdb create-blocks-from openmetrics`; `end` in Unix time."""
    rng = np.random.default_rng(7)
    replicas = [
        Target(job=SERVICE_JOB, namespace="mlops", instance=f"10.244.{number}.7:8000", pod=f"cats-dogs-api-{number}")
        for number in (1, 2)
    ]
    node, cluster, rules = Target(job=NODE_JOB, instance="worker-1:9100"), Target(job=CLUSTER_JOB), Target()
    for step in range(STEPS):
        at = end - (STEPS - 1 - step) * STEP_S
        minute = step * STEP_S / 60
        for number, replica in enumerate(replicas):
            _live(replica, rng, minute, is_sick=number == 1 and 55 <= minute < 64, start=end - 90 * 60)
        _turn(node, rng, minute)
        _count(cluster, minute)
        _alert(rules, minute)
        for target in (*replicas, node, cluster, rules):
            target.scrape(at)
    for target in (*replicas, node, cluster, rules):
        yield from target.lines()
    yield "# EOF"


def _live(of: Target, rng: np.random.Generator, minute: float, *, is_sick: bool, start: float) -> None:
    """A step of one replica; a sick one has a slow disk under it, and a full queue."""
    wave = 1 + 0.35 * math.sin(minute / 14) + 0.1 * math.sin(minute / 3)
    asked = int(rng.poisson(max(0.1, 7 * wave) * STEP_S))
    failed = int(rng.binomial(asked, 0.06 if is_sick else 0.0006))
    bad = int(rng.binomial(asked, 0.015))
    answered = asked - failed - bad
    cats = int(rng.binomial(answered, 0.55 if minute < 40 else 0.5))
    wait = rng.exponential(0.12 if is_sick else 0.003, answered)
    decode = rng.lognormal(math.log(0.0028), 0.4, answered)
    think = rng.lognormal(math.log(0.019 if is_sick else 0.0085), 0.25, answered)
    sure = rng.beta(3.2, 0.45, answered) * 0.5 + 0.5
    for label, count in (("cat", cats), ("dog", answered - cats)):
        of.add(metrics.PREDICTIONS, count, predicted_class=label)
    of.see(metrics.LATENCY, wait + decode + think + 0.002)
    of.see(metrics.QUEUE_TIME, wait)
    of.see(metrics.DECODE_TIME, decode)
    of.see(metrics.INFERENCE_TIME, think, engine="openvino", device="cpu")
    of.see(metrics.CONFIDENCE, sure)
    of.see(metrics.MARGIN, 2 * sure - 1)
    of.add(metrics.LOW_CONFIDENCE, float((sure < 0.7).sum()))
    of.add(metrics.ERRORS, failed)
    for status, count in (("200", answered), ("422", bad), ("503", failed)):
        of.add(metrics.REQUESTS, count, method="POST", path="/predict", status=status)
    of.add(metrics.PROBLEMS, bad, path="/predict", type="broken-picture")
    for kind, share in (("overloaded", 0.8), ("deadline-passed", 0.2)):
        of.add(metrics.PROBLEMS, failed * share, path="/predict", type=kind)
        of.add(metrics.SHED, failed * share, reason=kind)
    of.see(metrics.REQUEST_SIZE, rng.lognormal(math.log(9e4), 0.9, asked), path="/predict")
    of.see(metrics.RESPONSE_SIZE, rng.normal(420, 20, asked), path="/predict")
    of.see(metrics.REQUEST_TIME, wait, path="/predict")
    _compare(of, rng, minute, answered)
    _judge(of, minute)
    _challenge(of, rng, minute, answered, is_sick=is_sick)
    for outcome in ("swapped", "refused"):
        of.add(metrics.RELOADS, 1 if minute == (48 if outcome == "refused" else 72) else 0, outcome=outcome)
    version = "a64bb83679af" if minute < 30 else "b0c2d1f4417e"
    for other in {"a64bb83679af", "b0c2d1f4417e"} - {version}:
        of.hide(metrics.MODEL, **_MODEL, version=other)
    of.show(metrics.MODEL, 1, **_MODEL, version=version)
    of.show(metrics.READY, 1)
    of.show("up", 1)
    _hold(of, rng, minute, wave, is_sick=is_sick, start=start)


def _compare(of: Target, rng: np.random.Generator, minute: float, answered: int) -> None:
    """What it says of its pictures: from minute 45 on a camera is out of focus."""
    shift = max(0.0, min(1.0, (minute - 45) / 20))
    of.add(metrics.UNLIKE, int(rng.binomial(answered, 0.01 + 0.015 * shift)))
    of.show(metrics.DRIFT_WINDOW, 1000)
    of.show(metrics.DRIFT, float(shift > 0.3))
    of.show(metrics.DRIFT_LOSS, 0.012 * shift * (shift > 0.3))
    for statistic, usual, limit, moved in (("detail", 0.03, 0.09, 0.5), ("confidence", 0.02, 0.08, 0.05)):
        of.show(metrics.DRIFT_PSI, usual + moved * shift + 0.004 * rng.random(), statistic=statistic)
        of.show(metrics.DRIFT_PSI_THRESHOLD, limit, statistic=statistic)
    of.show(metrics.DRIFT_FEATURES, 0.0004 + 0.004 * shift + 0.00005 * rng.random())
    of.show(metrics.DRIFT_FEATURES_THRESHOLD, 0.0011)


def _judge(of: Target, minute: float) -> None:
    """What people said of its answers by then, and what it keeps."""
    estimated = 0.955 + 0.004 * math.sin(minute / 9)
    of.show(metrics.TEST_ACCURACY, 0.962)
    of.show(metrics.ESTIMATED, estimated)
    of.show(metrics.ESTIMATED_HIGH, estimated + 0.009)
    of.show(metrics.REFERENCE_ACCURACY, 0.96)
    for label, share in (("cat", 0.951), ("dog", 0.947)):
        of.show(metrics.ESTIMATED_CLASS, share, predicted_class=label)
    of.show(metrics.KEPT, 900 + int(3 * minute))
    for label, right, wrong in (("cat", 210, 8), ("dog", 170, 10)):
        for outcome, start, growth in (("right", right, 0.8), ("wrong", wrong, 0.06)):
            of.show(metrics.JUDGED, start + int(growth * minute), predicted_class=label, outcome=outcome)
    for outcome, growth in (("right", 0.4), ("wrong", 0.03)):
        of.add(metrics.FEEDBACK, growth, outcome=outcome)


def _challenge(of: Target, rng: np.random.Generator, minute: float, answered: int, *, is_sick: bool) -> None:
    """What a challenger in the shadow says of a tenth of the pictures; an idle core is what it computes on."""
    drawn = int(rng.binomial(answered, 0.1))
    skipped = int(rng.binomial(drawn, 0.9 if is_sick else 0.08))
    compared = drawn - skipped
    of.show(metrics.SHADOW_UP, 1)
    of.add(metrics.SHADOW_COMPARED, compared)
    of.add(metrics.SHADOW_AGREED, int(rng.binomial(compared, 0.974 if minute < 45 else 0.955)))
    for reason, number in (("busy", skipped), ("queue-full", int(rng.binomial(drawn, 0.02)))):
        of.add(metrics.SHADOW_SKIPPED, number, reason=reason)
    for role, usual in (("champion", 0.012), ("challenger", 0.0074)):
        of.see(metrics.SHADOW_TIME, rng.lognormal(math.log(usual), 0.25, compared), role=role)


def _hold(of: Target, rng: np.random.Generator, minute: float, wave: float, *, is_sick: bool, start: float) -> None:
    """Its queue, its processes and what they use."""
    queue = float(rng.poisson(46 if is_sick else 0.7 * wave))
    of.show(metrics.QUEUE, min(queue, 64))
    of.show(metrics.QUEUE_LIMIT, 64)
    of.show(metrics.QUEUE_AGE, float(rng.exponential(0.4 if is_sick else 0.004)))
    of.show(metrics.IN_FLIGHT, queue + 1)
    of.show(metrics.WORKERS, 3 if is_sick and 57 < minute < 58 else 4)
    of.show(metrics.WORKERS_WANTED, 4)
    of.add(metrics.WORKERS_REPLACED, 1 if is_sick and minute in (57, 60) else 0)
    of.show(metrics.WORKER_MEMORY, 4 * 1.9e8 + 2e5 * minute)
    of.add(metrics.PROCESS_CPU, STEP_S * (0.11 * wave + 0.02 * rng.random()))
    of.show(metrics.PROCESS_MEMORY, 1.42e8 + 1e4 * minute)
    of.show(metrics.PROCESS_FILES, 38 + queue)
    of.show(metrics.PROCESS_FILES_LIMIT, 1024)
    of.show(metrics.PROCESS_START, start)
    of.show(metrics.CPU, min(1, 0.24 * wave + (0.35 if is_sick else 0) + 0.03 * rng.random()))
    of.show(metrics.CPU_CORES, 4)
    of.show(metrics.MEMORY_USED, 9.2e8 + 4e5 * minute + 1e6 * queue)
    of.show(metrics.MEMORY_TOTAL, 2 * 2**30)
    of.show(metrics.DISK_USED, 31e9 + 1e7 * minute)
    of.show(metrics.DISK_TOTAL, 100e9)
    gpu = {"gpu": "0", "name": "NVIDIA L4", "uuid": "GPU-5d1c"}
    of.show(metrics.GPU_USE, min(1, 0.3 * wave + 0.05 * rng.random()), **gpu)
    of.show(metrics.GPU_MEMORY_USED, 5.4e9 + 2e8 * wave, **gpu)
    of.show(metrics.GPU_MEMORY_TOTAL, 24e9, **gpu)
    of.show(metrics.GPU_TEMPERATURE, 51 + 9 * wave, **gpu)
    of.show(metrics.GPU_POWER, 38 + 16 * wave, **gpu)
    for level, amount in (("info", 105 * wave), ("warning", 1.6), ("error", 6.0 if is_sick else 0)):
        of.add(metrics.LOG_LINES, amount, level=level)
    of.add(metrics.LOG_DROPPED, 0)
    for handler in ("console", "file"):
        of.show(metrics.LOG_HANDLER_UP, 1, handler=handler)
        of.add(metrics.LOG_HANDLER_ERRORS, 0, handler=handler)
    of.show(metrics.LOG_FILE_SIZE, (minute % 47) * 2.1e5)
    for alert in ("HighErrorRate", "LowConfidence"):
        of.show(metrics.ALERTS_FIRING, float(is_sick and alert == "HighErrorRate"), alert=alert)
    for series in (metrics.ALERTS_SENT, metrics.ALERTS_FAILED, metrics.ALERTS_SUPPRESSED):
        of.add(series, 1 if is_sick and minute == 58 and series is not metrics.ALERTS_FAILED else 0)


def _turn(node: Target, rng: np.random.Generator, minute: float) -> None:
    """A step of a machine of four cores."""
    wave = 1 + 0.35 * math.sin(minute / 14)
    for core in range(4):
        busy = min(0.97, (0.3 + 0.06 * core) * wave + 0.08 * rng.random() + (0.3 if 55 <= minute < 64 else 0))
        node.add("node_cpu_seconds_total", STEP_S * busy, cpu=str(core), mode="user")
        node.add("node_cpu_seconds_total", STEP_S * (1 - busy), cpu=str(core), mode="idle")
    sizes = {"MemTotal": 16e9, "MemFree": 5.2e9 - 8e6 * minute, "Cached": 4.1e9 + 5e6 * minute, "Buffers": 3.2e8}
    for name, size in (sizes | {"MemAvailable": 9.4e9 - 3e6 * minute}).items():
        node.show(f"node_memory_{name}_bytes", size)
    for kind, size in (("size", 100e9), ("avail", 66e9 - 1e7 * minute)):
        node.show(f"node_filesystem_{kind}_bytes", size, device="/dev/vda", fstype="ext4", mountpoint="/")
    for name, speed in (("network_receive", 2.1e6), ("network_transmit", 2.4e5)):
        node.add(f"node_{name}_bytes_total", STEP_S * speed * wave * (0.9 + 0.2 * rng.random()), device="eth0")
    for name, speed in (("read", 8e4), ("written", 1.1e6)):
        node.add(f"node_disk_{name}_bytes_total", STEP_S * speed * rng.exponential(1), device="vda")
    node.show("node_uname_info", 1, nodename="worker-1")


def _count(cluster: Target, minute: float) -> None:
    """What Kubernetes says: a rollout at minute 30, a restart at minute 63."""
    deployment = {"namespace": "mlops", "deployment": "cats-dogs-api"}
    scaler = {"namespace": "mlops", "horizontalpodautoscaler": "cats-dogs-api"}
    cluster.show("kube_deployment_spec_replicas", 2, **deployment)
    cluster.show("kube_deployment_status_replicas_ready", 1 if 63 <= minute < 64.5 else 2, **deployment)
    for name, value in (("spec_max", 5), ("status_current", 2), ("status_desired", 2)):
        cluster.show(f"kube_horizontalpodautoscaler_{name}_replicas", value, **scaler)
    for number in (1, 2):
        pod = {"namespace": "mlops", "pod": f"cats-dogs-api-{number}"}
        is_moving = number == 2 and 30 <= minute < 31
        for phase in ("Running", "Pending", "Failed"):
            cluster.show(
                "kube_pod_status_phase", float(phase == ("Pending" if is_moving else "Running")), **pod, phase=phase
            )
        restarts = 1 if number == 2 and minute == 63 else 0
        cluster.add("kube_pod_container_status_restarts_total", restarts, **pod, container="api")
    for kind, amount in (("notifications", 1 if minute in (58, 70) else 0), ("notifications_failed", 0)):
        cluster.add(f"alertmanager_{kind}_total", amount, integration="email")


def _alert(rules: Target, minute: float) -> None:
    """The alerts of Prometheus: the Watchdog, and two for a while."""
    rules.show("ALERTS", 1, alertname="Watchdog", alertstate="firing", severity="none")
    names: Sequence[tuple[str, float, float]] = (("HighPredictionErrorRate", 58, 66), ("QueueFull", 57, 65))
    for name, first, last in names:
        labels = {"alertname": name, "alertstate": "firing", "severity": "warning"}
        if first <= minute < last:
            rules.show("ALERTS", 1, **labels)
        else:
            rules.hide("ALERTS", **labels)
