"""Series over HTTP that nothing here has for real: those of a cluster, of a GPU, of what the service never did."""

import itertools
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from tapetum.metrics import CATALOGUE, Series

Labels = dict[str, str]

# What labels of the catalogue can say. Each series has all combinations.
_VALUES: dict[str, tuple[str, ...]] = {
    "method": ("POST",),
    "path": ("/predict",),
    "status": ("200", "422", "503"),
    "type": ("broken-picture", "overloaded"),
    "reason": ("overloaded", "deadline"),
    "predicted_class": ("cat", "dog"),
    "engine": ("openvino",),
    "device": ("cpu",),
    "name": ("pets",),
    "version": ("a64bb83679af",),
    "digest": ("e342c8612ed0",),
    "fingerprint": ("e342c8612ed0",),
    "precision": ("fp32",),
    "gpu": ("0", "1"),
    "uuid": ("GPU-0",),
    "role": ("champion", "challenger"),
    "level": ("info", "warning"),
    "handler": ("console", "file"),
    "statistic": ("brightness", "class"),
    "alert": ("HighErrorRate", "LowConfidence"),
}

CLUSTER = """\
kube_deployment_spec_replicas{namespace="mlops",deployment="cats-dogs-api"} 2
kube_deployment_status_replicas_ready{namespace="mlops",deployment="cats-dogs-api"} 2
kube_deployment_spec_replicas{namespace="mlops",deployment="grafana"} 1
kube_deployment_status_replicas_ready{namespace="mlops",deployment="grafana"} 1
kube_horizontalpodautoscaler_spec_max_replicas{namespace="mlops",horizontalpodautoscaler="cats-dogs-api"} 5
kube_horizontalpodautoscaler_status_current_replicas{namespace="mlops",horizontalpodautoscaler="cats-dogs-api"} 2
kube_horizontalpodautoscaler_status_desired_replicas{namespace="mlops",horizontalpodautoscaler="cats-dogs-api"} 2
kube_pod_status_phase{namespace="mlops",pod="cats-dogs-api-a",phase="Running"} 1
kube_pod_status_phase{namespace="mlops",pod="cats-dogs-api-b",phase="Running"} 1
kube_pod_status_phase{namespace="mlops",pod="cats-dogs-api-b",phase="Pending"} 0
kube_pod_status_phase{namespace="mlops",pod="grafana-c",phase="Running"} 1
kube_pod_container_status_restarts_total{namespace="mlops",pod="cats-dogs-api-a",container="api"} 0
kube_pod_container_status_restarts_total{namespace="mlops",pod="cats-dogs-api-b",container="api"} 1
"""


def lacking(exposition: str) -> list[Series]:
    """The series of the catalogue of which a service exports no sample, so that what is real wins."""
    real = {line.partition("{")[0].split()[0] for line in exposition.splitlines() if line and line[0] != "#"}
    return [series for series in CATALOGUE if not real & {series.name, f"{series.name}_count"}]


def expose(wanted: list[Series], target: Labels, ticks: int) -> str:
    """Series of a target that has been scraped `ticks` times, since when each counter has grown."""
    return "".join(f"{line}\n" for series in wanted for line in _samples(series, target, ticks))


def notifications(ticks: int) -> str:
    """Alertmanager's counters, and an alert that fires beside those of our rules."""
    sent = f'alertmanager_notifications_total{{integration="email"}} {ticks}\n'
    firing = 'ALERTS{alertname="GpuHot",alertstate="firing",severity="warning"} 1\n'
    return f'{sent}{firing}alertmanager_notifications_failed_total{{integration="email"}} 0\n'


def _samples(series: Series, target: Labels, ticks: int) -> Iterator[str]:
    for values in itertools.product(*(_VALUES[label] for label in series.labels)):
        labels = target | dict(zip(series.labels, values, strict=True))
        if series.kind == "histogram":
            yield from _histogram(series, labels, ticks)
        elif series.kind == "counter":
            yield _line(series.name, labels, 3 * ticks)
        else:
            yield _line(series.name, labels, _gauge(series))


def _histogram(series: Series, labels: Labels, ticks: int) -> Iterator[str]:
    for number, bound in enumerate(series.buckets, start=1):
        yield _line(f"{series.name}_bucket", labels | {"le": str(float(bound))}, number * ticks)
    count = len(series.buckets) * ticks
    yield _line(f"{series.name}_bucket", labels | {"le": "+Inf"}, count)
    yield _line(f"{series.name}_sum", labels, sum(series.buckets) * ticks)
    yield _line(f"{series.name}_count", labels, count)


def _gauge(series: Series) -> float:
    is_whole = any(word in series.name for word in ("total", "limit", "max", "wanted"))
    return 0.4 if series.unit == "share" else 2.0 if is_whole else 1.0


def _line(name: str, labels: Labels, value: float) -> str:
    inside = ",".join(f'{label}="{text}"' for label, text in labels.items())
    return f"{name}{{{inside}}} {value}"


@contextmanager
def serving(pages: dict[str, Callable[[int], str]]) -> Iterator[str]:
    """Answer GET of each path with its page at so many GETs before; yields HOST:PORT."""
    counts = dict.fromkeys(pages, 0)
    lock = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            with lock:
                counts[self.path] += 1
                page = pages[self.path](counts[self.path]).encode()
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; version=0.0.4")
            self.end_headers()
            self.wfile.write(page)

        def log_message(self, *words: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"127.0.0.1:{server.server_port}"
        server.shutdown()
