"""PromQL made of the catalogue's series, and the labels by which targets are told apart."""

from tapetum.metrics import REQUESTS, Series

SERVICE_JOB = "ml-api-monitoring"
NODE_JOB = "node-exporter"
CLUSTER_JOB = "kube-state-metrics"

# On one machine there is no `namespace` and no `pod`: a label that is missing groups as an empty one.
SERVICE = "job, namespace"
REPLICA = "job, namespace, pod, instance"


def select(series: Series, suffix: str = "", matchers: str = "") -> str:
    """The series of all replicas; `suffix` is such as `_bucket`, `matchers` such as `le="0.5"`."""
    chosen = ",".join(part for part in (f'job="{SERVICE_JOB}"', matchers) if part)
    return f"{series.name}{suffix}{{{chosen}}}"


def rate(series: Series, window: str, by: str = SERVICE, suffix: str = "", matchers: str = "") -> str:
    """How fast a counter grows, a second, summed up to the labels of `by`."""
    return f"sum by ({by}) (rate({select(series, suffix, matchers)}[{window}]))"


def asked(window: str) -> str:
    """Requests for predictions a second; what callers did wrong is not among them."""
    return rate(REQUESTS, window, matchers='path=~"/predict.*|/v2/.*/infer",status!~"4.."')


def grown(series: Series, window: str, by: str = SERVICE, suffix: str = "", matchers: str = "") -> str:
    """By how much a counter grew in a window, to the nearest whole number, summed up to the labels of `by`."""
    return f"round(sum by ({by}) (increase({select(series, suffix, matchers)}[{window}])))"
